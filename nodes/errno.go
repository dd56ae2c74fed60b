package nodes

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/mqueue"
	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/backends/topic"
)

// Error is a failure with what a person needs to know about it. It is shown in the object's err file.
type Error struct {
	Op    string // what was tried: "create", "write"
	Path  string // of the object, from the root of the tree
	Errno syscall.Errno
	Why   error // what there is to say besides, often a *backends.Refusal; may be nil
}

// Error is Say without anybody's flags.
func (e *Error) Error() string { return e.Say(nil) }

// Say is the failure in words. flags are how settings are asked for, by their names.
func (e *Error) Say(flags map[string]string) string {
	s := e.Op + " " + backends.Word(e.Path) + ": " + e.Errno.Error()
	if e.Why == nil {
		return s
	}
	why := spoken(e.Why, flags)
	if why = strings.TrimPrefix(strings.TrimPrefix(why, e.Errno.Error()), ": "); why != "" {
		s += ": " + why
	}
	return s
}

func (e *Error) Unwrap() error { return e.Errno }

// errnos says which errno a program sees for each error that is not itself an errno.
var errnos = []struct {
	err   error
	errno syscall.Errno
}{
	{backends.ErrWouldBlock, syscall.EAGAIN},
	{backends.ErrUnsettled, syscall.EAGAIN},
	{backends.ErrRemoved, syscall.EIDRM},
	{topic.ErrCut, syscall.ECONNRESET},
	{socket.ErrReach, syscall.EACCES},
	{socket.ErrNoHost, syscall.EHOSTUNREACH},
	{backends.ErrDescriptors, syscall.ENFILE},
	{mqueue.ErrBytes, syscall.EDQUOT},
	{fs.ErrNotExist, syscall.ENOENT},
	{fs.ErrExist, syscall.EEXIST},
	{fs.ErrPermission, syscall.EACCES},
	{fs.ErrInvalid, syscall.EINVAL},
}

// Explain gives an error the words for the object at path (from the root of the tree). It is for what any
// call may end with, as something is used up: descriptors, or the room where objects are kept. Other errors
// stay as they are.
func Explain(op, path string, err error) error { return located(path, explain(op, err)) }

// located gives an error the path of the object that it is about, if it has none yet. An object that makes
// an error does not know where in the tree it is itself.
func located(path string, err error) error {
	known, ok := err.(*Error)
	if !ok || known.Path != "" {
		return err
	}
	at := *known
	at.Path = path
	return &at
}

func explain(op string, err error) error {
	if known := new(Error); errors.As(err, &known) {
		return err
	}
	err = backends.Explain(err)
	if _, bare := err.(syscall.Errno); bare {
		return err
	}
	if refused := new(backends.Refusal); errors.As(err, &refused) {
		return advise(op, Errno(err), err)
	}
	return err
}

// Crowded is the failure of a call that is answered with ENOBUFS.
func Crowded(op, path string, uid uint32) *Error {
	return located(path, refuse(op, backends.Refusal{Err: syscall.ENOBUFS, Why: whyCrowded, Uid: uid})).(*Error)
}

// Errno is the one place where an error becomes an errno. An error nobody thought of is EIO.
func Errno(err error) syscall.Errno { return errnoOr(err, syscall.EIO) }

// errnoOr is the errno of err, or other if the table does not know the error: EINVAL where it says what
// somebody wrote wrongly.
func errnoOr(err error, other syscall.Errno) syscall.Errno {
	if err == nil {
		return 0
	}
	// This comes first, as one errno may pass for several of the errors above: EPERM and EACCES are both
	// fs.ErrPermission.
	var errno syscall.Errno
	if errno, ok := err.(syscall.Errno); ok {
		return errno
	}
	if errors.As(err, &errno) {
		return errno
	}
	for _, e := range errnos {
		if errors.Is(err, e.err) {
			return e.errno
		}
	}
	return other
}
