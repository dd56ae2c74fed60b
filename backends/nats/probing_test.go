package nats_test

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/tests/natsd"
)

// queueEnd is an end of a queue on servers of its own, with the link and the poller that it goes by.
func queueEnd(t *testing.T) (*nats.End, *nats.Link, *backends.Poller) {
	t.Helper()
	servers := natsd.For(t, 1, "")
	_, config, err := nats.ParseAttach("prod=" + servers.URL())
	if err != nil {
		t.Fatal(err)
	}
	poll, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	link := nats.Open("prod", config, poll, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { link.Close() })
	if !link.Await(20 * time.Second) {
		t.Fatal("no connection")
	}
	end, _, err := link.Queues().Create("q", backends.Owner{Mode: 0600}, nats.QueueRules{}, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end.Close() })
	return end, link, poll
}

// TestUnprobe: a poll that was interrupted while it waited for the servers' answer leaves nothing behind that
// wakes whoever waits, but a message.
func TestUnprobe(t *testing.T) {
	end, _, _ := queueEnd(t)
	if _, err := end.Probe(); !errors.Is(err, backends.ErrUnsettled) {
		t.Fatalf("Probe: %v", err)
	}
	end.Unprobe()

	// Whatever wakes, whoever waits looks again, and waits again.
	woken := make(chan struct{}, 1)
	wake := func() { woken <- struct{}{} }
	const enough = 20
	var buf [16]byte
	end.Arm(backends.In, wake)
	sent := false
	for range enough {
		for !sent {
			_, err := end.TryWrite([]byte("hello"), backends.Meta{})
			if sent = err == nil; !sent && !errors.Is(err, backends.ErrWouldBlock) && !errors.Is(err, backends.ErrUnsettled) {
				t.Fatal(err)
			}
		}
		<-woken
		n, _, err := end.TryRead(buf[:])
		if err == nil {
			if got := string(buf[:n]); got != "hello" {
				t.Errorf("got %q", got)
			}
			return
		}
		end.Arm(backends.In, wake)
	}
	t.Errorf("woken %d times, and nothing to read", enough)
}

// TestArmedForAnEnd: a message that a read has left wakes nobody who waits for the end of the queue alone.
func TestArmedForAnEnd(t *testing.T) {
	end, link, poll := queueEnd(t)
	woken := make(chan struct{}, 1)
	wake := func() { woken <- struct{}{} }
	for {
		_, err := end.TryWrite([]byte("hello"), backends.Meta{})
		if err == nil {
			break
		}
		if !errors.Is(err, backends.ErrUnsettled) {
			t.Fatal(err)
		}
		end.Arm(backends.Out, wake)
		<-woken
	}
	if _, _, err := end.TryRead(make([]byte, 16)); !errors.Is(err, backends.ErrUnsettled) {
		t.Fatal(err)
	}
	end.Arm(backends.In, wake)
	<-woken // and nobody takes it
	end.Arm(backends.Hup|backends.RdHup, wake)
	round := make(chan struct{})
	poll.Soon(func() { close(round) })
	if <-round; len(woken) > 0 {
		t.Error("woken by a message")
	}
	if err := link.Queues().Remove("q", backends.Cred{}); err != nil {
		t.Fatal(err)
	}
	<-woken
}
