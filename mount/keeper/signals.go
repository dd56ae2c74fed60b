package keeper

import (
	"fmt"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Signals are what a keeper is asked by. Those that end it have a channel of their own: however many of the
// others come, none of them is lost.
type Signals struct{ end, others chan os.Signal }

// Listen begins to hear signals.
func Listen() *Signals {
	s := &Signals{make(chan os.Signal, 2), make(chan os.Signal, 8)} // a second one to end ends the worker at once
	s.listen()
	return s
}

func (s *Signals) listen() {
	signal.Notify(s.end, unix.SIGTERM, unix.SIGINT)
	signal.Notify(s.others, unix.SIGHUP, unix.SIGUSR1)
}

// Stop has the signals do what they do by themselves.
func (s *Signals) Stop() {
	signal.Stop(s.end)
	signal.Stop(s.others)
}

// wait reports whether there are any.
func (s *Signals) wait() bool { return len(s.end)+len(s.others) > 0 }

// next takes one, first of those that end.
func (s *Signals) next() os.Signal {
	select {
	case sig := <-s.end:
		return sig
	default:
	}
	select {
	case sig := <-s.end:
		return sig
	case sig := <-s.others:
		return sig
	}
}

// hush is for the execve(2) of a thread: until the program that this process becomes listens, SIGUSR1 waits,
// and SIGHUP and SIGINT are ignored, whose default would end it. SIGTERM does end it: Go's runtime holds none
// back that ends a process. If there is no such program, undo has all be as it was.
func (s *Signals) hush() (undo func(), err error) {
	var before, held unix.Sigset_t
	held.Val[0] = 1 << (unix.SIGUSR1 - 1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &held, &before); err != nil {
		return nil, fmt.Errorf("sigmask: %w", err)
	}
	signal.Ignore(unix.SIGHUP, unix.SIGINT)
	return func() {
		s.listen()
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
	}, nil
}
