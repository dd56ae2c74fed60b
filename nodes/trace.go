package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Trace is what ctl/trace tells of: each read and write of a message face, once it has its answer.
type Trace struct{ back *backends.Trace }

// Traced is one of them.
type Traced struct {
	By     Caller
	Op     string // "read", "write"
	Path   string // of the object, from the root of the tree
	Face   string // the control file through which it was done; "": the object's own file
	Bytes  int
	Result string // "ok", or the name of the errno
	At     time.Time
	Took   time.Duration
	Waited bool // it had to wait for others, which is most of Took
}

// On reports whether anybody reads the trace. It costs nothing to ask.
func (t *Trace) On() bool { return t.back.On() }

// Tell tells what was done: root hears of everything, other users of what they did themselves. Where
// somebody hears of it, Tell reads /proc, which takes some µs.
func (t *Trace) Tell(d Traced) {
	t.back.Tell(d.By.Uid, func() string {
		facts := []Fact{
			{"at", Literal(d.At.Format("2006-01-02T15:04:05.000000Z07:00"))},
			{"pid", Label(d.By.Pid)}, {"command", comm(d.By.Pid)}, {"uid", Label(d.By.Uid)},
			{"op", Literal(d.Op)}, {"path", d.Path},
		}
		if d.Face != "" {
			facts = append(facts, Fact{"face", d.Face})
		}
		facts = append(facts, Fact{"bytes", d.Bytes}, Fact{"result", Literal(d.Result)})
		if d.Waited {
			facts = append(facts, Fact{"waited_us", d.Took.Microseconds()})
		} else {
			facts = append(facts, Fact{"us", d.Took.Microseconds()})
		}
		return words(facts) + "\n"
	})
}

// TraceControl is /ctl/trace.
func TraceControl(env *Env) Control {
	return Control{Name: "trace", Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		e := env.Trace.back.Subscribe(by.Uid == 0, by.Uid)
		e.Pays(env.Heap, by.Uid)
		return env.File(&Plain{}, e, flags, by), nil
	}}
}

// Lines are rows, one a line.
func (r Rows) Lines() string {
	var text []byte
	for _, row := range r {
		text = append(append(text, words(row)...), '\n')
	}
	return string(text)
}
