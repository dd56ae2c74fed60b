package nats

import (
	"github.com/ipcfs/ipcfs/backends"
)

// A MemberEnd is an open file of a member of a group: it reads as an end of a queue does, and publishes as
// one of the topic does.
type MemberEnd struct {
	*TopicEnd
	in *end
}

// TryRead is Port.TryRead.
func (m *MemberEnd) TryRead(p []byte) (int, backends.Meta, error) { return m.in.TryRead(p) }

// TryLend is Lender.TryLend.
func (m *MemberEnd) TryLend(most int) ([]byte, backends.Meta, error) { return m.in.TryLend(most) }

// Recall is Recaller.Recall. Whoever waits for a message is let go at once, as they may have been killed:
// what was on its way to them is for the next read of this file, or for another member if the file is closed.
func (m *MemberEnd) Recall(dir backends.Ready) bool {
	if dir != backends.In {
		return m.TopicEnd.Recall(dir)
	}
	m.enter()
	defer m.leave()
	e := m.in
	if e.in != nil {
		e.in.asked = false
	}
	e.asks, e.turn = false, 0
	e.step()
	return true
}

// Ready is Waiter.Ready.
func (m *MemberEnd) Ready() backends.Ready { return m.in.Ready() | m.TopicEnd.Ready() }

// Arm is Waiter.Arm.
func (m *MemberEnd) Arm(want backends.Ready, wake func()) {
	m.in.Arm(want&^backends.Out, wake)
	m.TopicEnd.Arm(want&^backends.In, wake)
}

// Probe is Prober.Probe: a message that there is is kept for the member then.
func (m *MemberEnd) Probe() (backends.Ready, error) {
	r, err := m.in.Probe()
	return r | m.TopicEnd.Ready(), err
}

// Unprobe is that of what it reads.
func (m *MemberEnd) Unprobe() { m.in.Unprobe() }

// Reads is what it reads.
func (m *MemberEnd) Reads() backends.Endpoint { return m.in }

// Close ends the membership. What the member took and did not read goes to others.
func (m *MemberEnd) Close() error {
	g := m.g
	m.enter()
	l := m.link()
	if _, in := g.members[m]; in {
		delete(g.members, m)
		l.leaves(g.q.at(), g.share)
		if len(g.members) == 0 && g.o.groups[g.name] == g {
			delete(g.o.groups, g.name)
		}
	}
	m.in.close()
	m.leave()
	return m.TopicEnd.Close()
}
