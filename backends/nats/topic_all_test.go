package nats

import (
	"fmt"
	"testing"

	nats "github.com/nats-io/nats.go"
)

// TestUnjudged: what is published to topics while it is found out whose they are is held up to a bound, and
// is given up with its topic.
func TestUnjudged(t *testing.T) {
	topics := &Topics{l: &Link{closed: true}, alls: map[string]*all{}}
	a := &all{t: topics, known: map[string]*member{}}
	topics.alls[""] = a
	most := 0
	for i := range 20 {
		a.arrived(fmt.Sprint(i%5), &nats.Msg{Data: make([]byte, 1<<20)})
		most = max(most, a.held)
	}
	if most != maxAllHeld {
		t.Errorf("%d bytes are held", most)
	}
	for i := range 5 {
		topics.changed("DELETED", fmt.Sprint(i), "")
	}
	if a.held != 0 || len(a.known) > 0 {
		t.Errorf("all are removed, and %d bytes of %d topics are held", a.held, len(a.known))
	}
}
