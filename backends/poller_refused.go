package backends

import (
	"time"

	"golang.org/x/sys/unix"
)

// epoll_ctl(2) refuses a descriptor with ENOSPC if the user of the daemon has fs.epoll.max_user_watches of
// them already, in whichever programs, and with ENOMEM. Those who wait for such a source need not know:
// poll(2) looks at all of them at once, every refusedPace, and epoll takes them as soon as it will
// (TestRefused).
const refusedPace = 100 * time.Millisecond

// tellRefusals is the least time between two calls of what TellRefusals was given.
const tellRefusals = time.Minute

// TellRefusals has tell called when epoll begins to refuse descriptors. It is called before the first Watch.
func (p *Poller) TellRefusals(tell func(error)) { p.tell = tell }

// Limits is Limited.Limits.
func (p *Poller) Limits() []Limit {
	return []Limit{{
		Name: "fs.epoll.max_user_watches", Used: p.watched.Load(), Limit: Sysctl("fs/epoll/max_user_watches"),
	}}
}

// refuse has a source looked at by poll(2). The caller holds s.mu.
func (p *Poller) refuse(s *Source, err error) {
	p.mu.Lock()
	p.refused[s] = true
	if now := time.Now(); p.tell != nil && now.Sub(p.told) > tellRefusals {
		p.told = now
		p.soon = append(p.soon, func() { p.tell(err) })
	}
	p.mu.Unlock()
	p.ring() // the loop may wait without end
}

// forgetRefused takes a source back from refuse.
func (p *Poller) forgetRefused(s *Source) {
	p.mu.Lock()
	delete(p.refused, s)
	p.mu.Unlock()
}

// patience is how long the loop may wait for events, in ms; -1: without end.
func (p *Poller) patience() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.refused) == 0 {
		return -1
	}
	return int(refusedPace.Milliseconds())
}

// lookAtRefused wakes those who wait for a source that was refused and is ready, and has epoll take the
// others, until it refuses one.
func (p *Poller) lookAtRefused() {
	if time.Since(p.looked) < refusedPace {
		return
	}
	p.mu.Lock()
	list := make([]*Source, 0, len(p.refused))
	for s := range p.refused {
		list = append(list, s)
	}
	p.mu.Unlock()
	fds := make([]unix.PollFd, len(list))
	for i, s := range list {
		s.mu.Lock()
		fds[i] = unix.PollFd{Fd: int32(s.fd), Events: int16(s.want)}
		s.mu.Unlock()
	}
	if len(list) > 0 {
		// What fails leaves nothing ready. A descriptor that was closed just now wakes nobody: see Forget.
		_, _ = unix.Poll(fds, 0)
	}
	full := false
	for i, s := range list {
		if fds[i].Revents != 0 {
			p.forgetRefused(s)
			if wake := s.take(); wake != nil {
				wake()
			}
		} else if !full {
			full = !s.retry()
		}
	}
	p.looked = time.Now()
}

// retry has epoll take a source that it refused, if somebody waits for it still. false: it refuses it again.
func (s *Source) retry() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wake != nil && !s.closed && !s.known && s.ask() != nil {
		return false
	}
	s.p.forgetRefused(s)
	return true
}
