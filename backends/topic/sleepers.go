package topic

import (
	"container/list"

	"github.com/ipcfs/ipcfs/backends"
)

// sleepers are the endpoints of an object in the daemon that wait for it, in the order they came. The
// object's lock guards them.
type sleepers struct{ line list.List }

// A sleeper is one of them.
type sleeper struct {
	want backends.Ready
	wake func()
	at   *list.Element // its place in line; nil: it does not wait
	told bool          // that nothing more will come
}

// add is the Arm of a Waiter that is not ready.
func (l *sleepers) add(s *sleeper, want backends.Ready, wake func()) {
	s.want, s.wake = want, wake
	if s.at == nil {
		s.at = l.line.PushBack(s)
	}
}

// take removes all that wait for one of ready, and adds the calls that wake them to wakes.
func (l *sleepers) take(ready backends.Ready, wakes []func()) []func() {
	for at := l.line.Front(); at != nil; {
		s := at.Value.(*sleeper)
		at = at.Next()
		if s.want&ready != 0 {
			wakes = append(wakes, s.wake)
			l.forget(s)
		}
	}
	return wakes
}

// end is take for one that is told in this way that nothing more will come, or, by endAll, for all.
func (l *sleepers) end(s *sleeper, wakes []func()) []func() {
	if s.at != nil {
		s.told = true
		wakes = append(wakes, s.wake)
		l.forget(s)
	}
	return wakes
}

func (l *sleepers) endAll(wakes []func()) []func() {
	for l.line.Len() > 0 {
		wakes = l.end(l.line.Front().Value.(*sleeper), wakes)
	}
	return wakes
}

// forget ends the wait of s without waking it.
func (l *sleepers) forget(s *sleeper) {
	if s.at != nil {
		l.line.Remove(s.at)
		s.at, s.wake = nil, nil
	}
}
