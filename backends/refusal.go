package backends

import (
	"fmt"
	"strings"
)

// A Refusal is an error with its facts: which limit was met, by what, and whose. What a person is told, and
// what they can do, are sentences of one table, in nodes/advice.go: none stands here.
type Refusal struct {
	Err   error  // what it is for programs (errors.Is)
	Why   Reason // which sentence it is
	Limit string // the name that the limit has in /ctl/limits
	Name  string // what was refused, or where: an option, a directory, an object
	Value int64  // what was asked for, or what there is already
	More  int64  // what was asked for beside what there is
	Most  int64  // what there may be
	Uid   uint32 // whose it is
}

// A Reason is the name of a sentence.
type Reason string

// Why objects of any kind are refused.
const (
	OverOne    Reason = "over-one"    // a user has Value, wants More, and may have Most, of what Limit bounds
	OverAll    Reason = "over-all"    // all users but root have
	Reached    Reason = "reached"     // Limit is reached
	NoMoreOpen Reason = "descriptors" // the daemon has Most descriptors open
	NoRoom     Reason = "no-room"     // Name is a file system that is full
	ReadOnly   Reason = "read-only"   // or that may not be written to

	AboveKernel Reason = "above-kernel" // the option Name is Value, and the kernel takes Most
	AboveUsers  Reason = "above-users"  // as Limit has it for users

	NetOff      Reason = "net-off"      // nothing of the network is lent
	NetLoopback Reason = "net-loopback" // nothing but loopback addresses
)

// Error is for logs: the facts that there are, without a sentence.
func (r *Refusal) Error() string {
	facts := []string{string(r.Why)}
	for _, name := range []string{r.Limit, r.Name} {
		if name != "" {
			facts = append(facts, name)
		}
	}
	if r.Value != 0 || r.Most != 0 {
		facts = append(facts, fmt.Sprintf("%d of %d", r.Value, r.Most))
	}
	return fmt.Sprintf("%v (%s, user %d)", r.Err, strings.Join(facts, ", "), r.Uid)
}

// Unwrap is what it is.
func (r *Refusal) Unwrap() error { return r.Err }
