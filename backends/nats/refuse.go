package nats

import (
	"bytes"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	nats "github.com/nats-io/nats.go"
)

// Why something was refused. {name} of the sentences is what is said below.
const (
	LinkDown  backends.Reason = "link-down"   // there is no connection
	NoAnswer  backends.Reason = "no-answer"   // what was asked may have been done
	MayBeSent backends.Reason = "may-be-sent" // a message that was being sent may be stored
	MayCome   backends.Reason = "may-come"    // the message of number Value, which was received, may come again
	Forbidden backends.Reason = "forbidden"   // the account may not
	Account   backends.Reason = "account"     // the account's limit, which Name tells in the engine's words
	Engine    backends.Reason = "engine"      // Name is what it said
	ManyPrios backends.Reason = "far-prios"   // Most different priorities of the queue are in use
	Closed    backends.Reason = "link-closed"
)

func refusal(errno syscall.Errno, why backends.Reason, name string) error {
	return &backends.Refusal{Err: errno, Why: why, Name: name}
}

var (
	errDown      = refusal(syscall.EHOSTDOWN, LinkDown, "")
	errClosed    = refusal(syscall.EHOSTDOWN, Closed, "")
	errTimeout   = refusal(syscall.ETIMEDOUT, NoAnswer, "")
	errForbidden = refusal(syscall.EACCES, Forbidden, "")
	errUnsure    = refusal(syscall.ETIMEDOUT, MayBeSent, "")
	errCut       = refusal(syscall.EINTR, MayBeSent, "")
	// errNobody is the answer where nobody listens: a stream that is gone, or has no leader just now.
	errNobody = refusal(syscall.EIO, Engine, "no responders")
	// What is said of a consumer.
	errConsumerExists = refusal(syscall.EIO, Engine, "consumer already exists")
	errConsumerNone   = refusal(syscall.EIO, Engine, "consumer not found")
)

// engineError is an error that only its own words tell of.
func engineError(err error) error { return refusal(syscall.EIO, Engine, err.Error()) }

// The errors of JetStream that have an errno of their own.
const (
	codeStreamExists   = 10058
	codeStreamNone     = 10059
	codeStreamFull     = 10077
	codeConsumerExists = 10148
	codeConsumerNone   = 10014
	codeTooLong        = 10054
	codeNoSpace        = 10047
	codeAccountSpace   = 10002
	codeAccountStreams = 10027
	codeNoQuorum       = 10008
	codeNoMessage      = 10037
	codeFewServers     = 10005
	codeOneServer      = 10074
)

// errno is the error as it leaves the package.
func (e *apiError) errno() error {
	switch e.ErrCode {
	case codeConsumerExists:
		return errConsumerExists
	case codeConsumerNone:
		return errConsumerNone
	case codeStreamExists:
		return syscall.EEXIST
	case codeStreamNone:
		return syscall.ENOENT
	case codeStreamFull:
		return backends.ErrWouldBlock
	case codeTooLong:
		return syscall.EMSGSIZE
	case codeNoMessage:
		return syscall.ENOMSG
	case codeNoSpace, codeAccountSpace, codeAccountStreams:
		return refusal(syscall.EDQUOT, Account, e.Description)
	case codeFewServers, codeOneServer: // for that many replicas
		return refusal(syscall.EINVAL, Engine, e.Description)
	case codeNoQuorum:
		return errTimeout
	}
	return refusal(syscall.EIO, Engine, e.Description)
}

// inProcess reports whether m says that a message with this id was not stored yet, nor refused.
func inProcess(m *nats.Msg) bool {
	const code = `"err_code":10158`
	return len(m.Data) < 1<<10 && bytes.Contains(m.Data, []byte(code))
}

// forbids reports whether the words of a permission violation name a subject.
func forbids(text, subject string) bool { return strings.Contains(text, "\""+subject+"\"") }
