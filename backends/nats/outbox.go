package nats

import (
	"sync"

	nats "github.com/nats-io/nats.go"
)

// outbox is what is still to be sent, in order. The goroutine that sends it may have to wait for the
// library; nobody else does.
type outbox struct {
	mu     sync.Mutex
	more   *sync.Cond
	line   []parcel
	conn   *nats.Conn // nil: there is none yet, and what is sent is lost
	closed bool
}

// A parcel is a message to send, or a subject to begin or to end to listen to.
type parcel struct {
	nats.Msg
	listen, leave bool
}

// send has a parcel sent. It does not block.
func (o *outbox) send(p parcel) {
	o.mu.Lock()
	o.line = append(o.line, p)
	idle := len(o.line) == 1
	o.mu.Unlock()
	if idle {
		o.more.Signal()
	}
}

func (o *outbox) use(c *nats.Conn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conn = c
}

func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	o.more.Signal()
}

// next waits for what is to be sent; false: there is nothing more. spare is a slice to be used again.
func (o *outbox) next(spare []parcel) (line []parcel, c *nats.Conn, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.line) == 0 && !o.closed {
		o.more.Wait()
	}
	line, o.line = o.line, spare[:0]
	return line, o.conn, len(line) > 0
}

// send sends what is in the outbox. What the library refuses, as there is no connection, is asked again when
// there is one, or has failed by then.
func (l *Link) send() {
	heard := map[string]*subscription{}
	var spare []parcel
	var last *nats.Conn
	for {
		line, conn, ok := l.out.next(spare)
		if !ok {
			return
		}
		if conn != last {
			last = conn
			for _, s := range heard {
				s.of, _ = conn.ChanSubscribe(s.subject, l.in)
			}
		}
		for i := range line {
			if p := &line[i]; conn != nil {
				l.post(conn, p, heard)
			}
			line[i] = parcel{}
		}
		spare = line
	}
}

// A subscription is a subject that is listened to, on one connection after the other if the library gives one
// up for good.
type subscription struct {
	subject string
	of      *nats.Subscription // nil: the connection is closed
}

func (l *Link) post(conn *nats.Conn, p *parcel, heard map[string]*subscription) {
	switch s := heard[p.Subject]; {
	case p.listen:
		if s == nil {
			s = &subscription{subject: p.Subject}
			heard[p.Subject] = s
		}
		if s.of == nil || !s.of.IsValid() {
			s.of, _ = conn.ChanSubscribe(p.Subject, l.in)
		}
	case p.leave:
		if s != nil && s.of != nil {
			_ = s.of.Unsubscribe()
		}
		delete(heard, p.Subject)
	default:
		if err := conn.PublishMsg(&p.Msg); err != nil {
			l.refused(&p.Msg, err)
		}
	}
}
