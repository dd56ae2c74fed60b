package sysv

import (
	"os"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// TestSeldomLookedAt: a queue is looked at seldom while those who wait, or have polled once, want to hear of its end
// alone, and often as soon as somebody waits for a message.
func TestSeldomLookedAt(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := NewQueues(p)
	info, err := s.Create(0, backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600})
	if err != nil {
		t.Skip("no queue: ", err)
	}
	defer s.Remove(info.ID)
	m, err := s.Open(info.ID, Select{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	soon := func() bool {
		m.q.look()
		m.q.clock.mu.Lock()
		defer m.q.clock.mu.Unlock()
		return m.q.clock.due[m.q]-time.Since(m.q.clock.start) <= latest
	}
	m.Arm(backends.Err|backends.Hup, func() {})
	for m.q.look(); soon(); { // the first look, which the clock makes, is soon
	}
	m.Arm(backends.Err|backends.Hup|backends.In, func() {})
	if !soon() {
		t.Error("it waits as long as for the end alone")
	}
}
