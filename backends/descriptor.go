package backends

import (
	"errors"

	"golang.org/x/sys/unix"
)

// ErrDescriptors says that neither the daemon nor the system has room for one more descriptor.
var ErrDescriptors = errors.New("out of descriptors")

// spareDescriptors are kept from what stays open (connections, queues, shared memory), for whatever else
// the daemon does: to list, to look, to make and remove, to tell what is wrong.
const spareDescriptors = 16

// MaxDescriptors is how many descriptors the daemon may have (RLIMIT_NOFILE).
func MaxDescriptors() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 1024
	}
	return int(min(limit.Cur, 1<<30))
}

// MayStay is EMFILE if there is no descriptor for one more thing that stays open. A new descriptor is the
// lowest that is free (open(2)), so one near the limit shows that nearly all are taken.
func MayStay() error {
	next, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	unix.Close(next)
	if next >= MaxDescriptors()-spareDescriptors {
		return unix.EMFILE
	}
	return nil
}

// ToStay is the answer of a call that has opened fd, or failed to, if fd is to stay open: EMFILE if it is
// one of the spare ones, and fd is closed then.
func ToStay(fd int, err error) (int, error) {
	if err == nil && fd >= MaxDescriptors()-spareDescriptors {
		unix.Close(fd)
		return -1, unix.EMFILE
	}
	return fd, err
}

// Explain gives an error that any call may end with, for lack of descriptors, its facts.
func Explain(err error) error {
	var errno unix.Errno
	if known := new(Refusal); errors.As(err, &known) || !errors.As(err, &errno) {
		return err
	}
	if words := descriptors(errno); words != errno {
		return words
	}
	return err
}

// descriptors gives the errors of a call that makes a descriptor their facts.
func descriptors(err error) error {
	switch err {
	case unix.EMFILE:
		return &Refusal{Err: ErrDescriptors, Why: NoMoreOpen, Limit: "RLIMIT_NOFILE", Most: int64(MaxDescriptors())}
	case unix.ENFILE:
		return &Refusal{Err: ErrDescriptors, Why: Reached, Limit: "fs.file-max"}
	}
	return err
}
