package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/sys/unix"
)

// An Attachment is what is measured of a tree to which servers elsewhere are attached: each way into a queue
// there, side by side with the engine's own client on the same queue.
type Attachment struct {
	Config
	Name    string // under which the tree has it
	Connect func() (*nats.Conn, error)
}

const (
	attachedSize   = 64      // bytes of a message
	attachedLength = 1 << 20 // messages that the queue takes
	attachedOnce   = 500     // operations of a run, one at a time,
	attachedMany   = 20_000  // and of one of many at a time
	attachedWindow = 1024    // messages that the client has sent and not heard of
	attachedBatch  = 500     // that it asks for at once
	attachedLimit  = 20 * time.Second
)

// attached is a measurement under way.
type attached struct {
	Attachment
	nc      *nats.Conn
	js      nats.JetStreamContext
	queue   string
	subject string
	pull    string
}

// attachedCases are what is measured. Each moves count messages and returns when all are acknowledged.
var attachedCases = []struct {
	name            string
	count           int
	reads           bool // the queue has as many messages before
	native, mounted func(a *attached, count int) error
	target          Target
}{
	{"write 64 B", attachedOnce, false, (*attached).publish, (*attached).write, Target{1.5, "native"}},
	{"read 64 B", attachedOnce, true, (*attached).take, (*attached).read, Target{1.5, "native"}},
	{"lines out 64 B", attachedMany, false, (*attached).publishMany, (*attached).writeLines, Target{2, "native"}},
	{"lines in 64 B", attachedMany, true, (*attached).takeMany, (*attached).readLines, Target{2, "native"}},
}

// AttachedFoot explains the table.
const AttachedFoot = `
Time for one message. native: the engine's own client (nats.go) on the same queue:
a publish whose acknowledgement is waited for; a pull and an acknowledgement whose
answer is waited for; for "lines", publishes with a window of 1024, and pulls of 500
whose acknowledgements are all waited for. mounted: write(2), read(2), and 64 KiB of
lines at once. Processor and servers are shared: run nothing else.
`

// RunAttached measures all cases. It leaves nothing behind.
func RunAttached(ctx context.Context, at Attachment) (results []Result, err error) {
	a := &attached{Attachment: at, queue: fmt.Sprint("ipcfs-bench-", os.Getpid())}
	if a.nc, err = at.Connect(); err != nil {
		return nil, err
	}
	defer a.nc.Close()
	if a.js, err = a.nc.JetStream(); err != nil {
		return nil, err
	}
	a.subject = "ipcfs.q." + a.queue + ".0"
	a.pull = "$JS.API.CONSUMER.MSG.NEXT.ipcfs_q_" + a.queue + ".p00000"
	line := fmt.Sprintf("%s/queues/%s maxmsg=%d msgsize=%d mode=0600\n", at.Name, a.queue, attachedLength, attachedSize)
	for end := time.Now().Add(attachedLimit); ; <-time.After(10 * time.Millisecond) {
		if err = os.WriteFile(at.Tree+"/ctl/new", []byte(line), 0); err == nil {
			break
		}
		if !errors.Is(err, unix.EHOSTDOWN) || time.Now().After(end) {
			return nil, err
		}
	}
	defer os.Remove(a.path())
	for _, c := range attachedCases {
		if !strings.Contains(c.name, at.Only) {
			continue
		}
		r := Result{Name: c.name, Bytes: attachedSize, Target: c.target}
		var native, mounted []float64
		for run := 0; run < at.Runs && err == nil && ctx.Err() == nil; run++ {
			var n, m float64
			if n, err = a.time(c.native, c.count, c.reads); err == nil {
				m, err = a.time(c.mounted, c.count, c.reads)
			}
			native, mounted = append(native, n), append(mounted, m)
		}
		switch {
		case ctx.Err() != nil:
			return nil, errors.New("interrupted")
		case err != nil:
			r, err = Result{Name: c.name, Bytes: attachedSize, Failed: err.Error()}, nil
		default:
			r.Native, r.Mounted = sample(native), sample(mounted)
		}
		results = append(results, r)
		if at.Done != nil {
			at.Done(r)
		}
	}
	return results, nil
}

func (a *attached) path() string { return a.Tree + "/" + a.Name + "/queues/" + a.queue }

func (a *attached) control(name string) string {
	return a.Tree + "/ctl/" + a.Name + "/queues/" + a.queue + "/" + name
}

// time is how long one of count operations takes, in ns. The queue is empty afterwards.
func (a *attached) time(f func(*attached, int) error, count int, reads bool) (float64, error) {
	if reads {
		if err := a.publishMany(count); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	err := f(a, count)
	took := float64(time.Since(began).Nanoseconds()) / float64(count)
	return took, errors.Join(err, a.js.PurgeStream("ipcfs_q_"+a.queue))
}

func benchMessage() []byte { return []byte(strings.Repeat("x", attachedSize)) }

// publish publishes and waits for each acknowledgement.
func (a *attached) publish(count int) error {
	for range count {
		m, err := a.nc.Request(a.subject, benchMessage(), attachedLimit)
		if err == nil {
			err = stored(m.Data)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func stored(ack []byte) error {
	var answer struct{ Error *struct{ Description string } }
	if err := json.Unmarshal(ack, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return errors.New(answer.Error.Description)
	}
	return nil
}

// publishMany publishes with a window of messages that are not acknowledged yet.
func (a *attached) publishMany(count int) error {
	js, err := a.nc.JetStream(nats.PublishAsyncMaxPending(attachedWindow))
	if err != nil {
		return err
	}
	msg := benchMessage()
	for range count {
		if _, err := js.PublishAsync(a.subject, msg); err != nil {
			return err
		}
	}
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-time.After(attachedLimit):
		return errors.New("the servers do not acknowledge")
	}
}

// take asks for one message after the other, and waits until each is known to be acknowledged.
func (a *attached) take(count int) error {
	inbox, err := a.nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = inbox.Unsubscribe() }()
	for range count {
		if err := a.nc.PublishRequest(a.pull, inbox.Subject, []byte(`{"batch":1,"no_wait":true}`)); err != nil {
			return err
		}
		m, err := inbox.NextMsg(attachedLimit)
		if err == nil {
			_, err = a.nc.Request(m.Reply, []byte("+ACK"), attachedLimit)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// takeMany asks for many messages at once, and waits until all of them are known to be acknowledged.
func (a *attached) takeMany(count int) error {
	inbox, err := a.nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = inbox.Unsubscribe() }()
	acks, err := a.nc.SubscribeSync(nats.NewInbox())
	if err != nil {
		return err
	}
	defer func() { _ = acks.Unsubscribe() }()
	for left := count; left > 0; left -= min(left, attachedBatch) {
		n := min(left, attachedBatch)
		ask := fmt.Appendf(nil, `{"batch":%d,"no_wait":true}`, n)
		if err := a.nc.PublishRequest(a.pull, inbox.Subject, ask); err != nil {
			return err
		}
		for range n {
			m, err := inbox.NextMsg(attachedLimit)
			if err == nil {
				err = a.nc.PublishRequest(m.Reply, acks.Subject, []byte("+ACK"))
			}
			if err != nil {
				return err
			}
		}
		for range n {
			if _, err := acks.NextMsg(attachedLimit); err != nil {
				return err
			}
		}
	}
	return nil
}

// with calls f with a file of the queue.
func with(path string, flags int, f func(fd int) error) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return errors.Join(f(fd), unix.Close(fd))
}

func (a *attached) write(count int) error {
	return with(a.path(), unix.O_WRONLY, func(fd int) error {
		for range count {
			if _, err := unix.Write(fd, benchMessage()); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *attached) read(count int) error {
	return with(a.path(), unix.O_RDWR, func(fd int) error {
		buf := make([]byte, attachedSize)
		for range count {
			if _, err := unix.Read(fd, buf); err != nil {
				return err
			}
		}
		return nil
	})
}

// writeLines writes as many lines at once as make up linesBytes.
func (a *attached) writeLines(count int) error {
	const line = attachedSize + 1
	return with(a.control("lines"), unix.O_WRONLY, func(fd int) error {
		lines := []byte(strings.Repeat(string(benchMessage())+"\n", min(count, linesBytes/line)))
		for left := count * line; left > 0; {
			n, err := unix.Write(fd, lines[:min(left, len(lines))])
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	})
}

// linesBytes is the size of reads and writes of lines.
const linesBytes = 64 << 10

func (a *attached) readLines(count int) error {
	return with(a.control("lines"), unix.O_RDWR, func(fd int) error {
		buf := make([]byte, linesBytes)
		for left := count * (attachedSize + 1); left > 0; {
			n, err := unix.Read(fd, buf)
			if err != nil {
				return err
			}
			left -= n
		}
		return nil
	})
}
