package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/cmd/ipcfs/monitoring"
	"github.com/ipcfs/ipcfs/nodes"
	"github.com/spf13/pflag"
)

// A setting is one that a mount can be asked to have: a row of settingTable. From it come the flag
// (`--maxmsg 50`), the mount option of the same name (`-o maxmsg=50`), the line of --help, the command line
// with which the daemon is started, the word in `options=` of ctl/status, and the row of the table in
// docs/start.md, which TestDocumentTables compares.
type setting struct {
	name    string // of the flag and of the option
	value   string // how help calls its value; nothing for one that is on or off
	without string // what is the case if nobody asks for it
	help    string // the line of --help; nothing for one that is given as an option only
	about   string // what the documents say besides
	private bool   // `ipcfs run` has the flag, too
	in      func(*settings) pflag.Value
}

// settingTable are the settings in the order of the help. A new one is a row here, and the field that it is
// kept in: of fs.Config, or of mount.Options.
var settingTable = []setting{
	{
		name: "maxmsg", value: "N", without: "the kernel's `fs.mqueue.msg_default`", private: true,
		help: "a new queue holds N messages",
		in:   func(s *settings) pflag.Value { return (*number)(&s.tree.MaxMsg) },
	}, {
		name: "msgsize", value: "BYTES", without: "the kernel's `fs.mqueue.msgsize_default`", private: true,
		help: "its messages are at most BYTES long",
		in:   func(s *settings) pflag.Value { return (*number)(&s.tree.MsgSize) },
	}, {
		name: "shm", value: "MODE", without: "`auto`: passthrough, if the kernel lets the daemon", private: true,
		help:  "auto, or page-cache: shared memory without passthrough",
		about: "[semantics.md](semantics.md#shared-memory)",
		in:    func(s *settings) pflag.Value { return either{&s.session.PageCache, "auto", "page-cache"} },
	}, {
		name: "net", value: "REACH", without: "`loopback`", private: true,
		help:  "what sockets/tcp and udp reach: off, loopback, any",
		about: "[sockets.md](sockets.md)",
		in:    func(s *settings) pflag.Value { return (*netReach)(&s.tree.Net) },
	}, {
		name: "attach", value: "NAME=URL", without: "nothing is attached", private: true,
		help:  "what servers at nats://HOST:PORT keep, as NAME/queues",
		about: "may be given several times; `NAME=/FILE` has it in a file",
		in:    func(s *settings) pflag.Value { return (*attachments)(&s.tree.Attached) },
	}, {
		name: "state-dir", value: "DIR",
		without: "`/run/ipcfs`; for an ordinary user `$XDG_RUNTIME_DIR/ipcfs`, " +
			"else `/run/user/UID/ipcfs`, else `$TMPDIR/ipcfs-UID`",
		help:  "DIR for FIFOs (/run/ipcfs or $XDG_RUNTIME_DIR/ipcfs)",
		about: "one daemon at a time uses it",
		in:    func(s *settings) pflag.Value { return (*text)(&s.tree.StateDir) },
	}, {
		name: "log-level", value: "LEVEL", without: "`info`",
		help:  "log what is as bad as debug, info, warn, error",
		about: "SIGUSR1 switches to debug and back",
		in:    func(s *settings) pflag.Value { return choice{&s.logLevel, logLevels} },
	}, {
		name: "log-format", value: "FORMAT", without: "`text`",
		help: "lines of the log are text or json",
		in:   func(s *settings) pflag.Value { return choice{&s.logFormat, logFormats} },
	}, {
		name: "metrics-listen", value: "ADDR", without: "nothing is served",
		help:  "a page and metrics at 127.0.0.1:PORT or unix:PATH",
		about: "[monitoring.md](monitoring.md)",
		in: func(s *settings) pflag.Value {
			return checked{&s.metricsListen, func(v string) error { _, err := monitoring.ParseAddress(v); return err }}
		},
	}, {
		name: "metrics-names", value: "WHICH", without: "the page tells names as the tree does, metrics tell none",
		help:  "objects by name: on, off, or those like queues/a*",
		about: "[monitoring.md](monitoring.md#names)",
		in: func(s *settings) pflag.Value {
			return checked{&s.metricsNames, func(v string) error { _, err := nodes.ParseNames(v); return err }}
		},
	}, {
		name: "keeper", value: "MODE", without: "`on`, where the kernel can",
		help:  "on: when the daemon dies another one goes on; or off",
		about: "[semantics.md](semantics.md#when-the-daemon-ends)",
		in:    func(s *settings) pflag.Value { return either{&s.alone, "on", "off"} },
	}, {
		name: "nonempty", without: "a directory that has files is refused",
		about: "mounts over a directory that has files",
		in:    func(s *settings) pflag.Value { return (*onOff)(&s.session.NonEmpty) },
	},
}

func findSetting(name string) (setting, bool) {
	for _, row := range settingTable {
		if row.name == name {
			return row, true
		}
	}
	return setting{}, false
}

// flagOf is how a person asks for a setting: --net, or -o nonempty.
func flagOf(name string) string {
	if row, ok := findSetting(name); ok && row.help == "" {
		return "-o " + name
	}
	return "--" + name
}

// register defines the flag.
func (row setting) register(f *pflag.FlagSet, s *settings) {
	f.Var(shown{row.in(s), row.value}, row.name, row.help)
	flag := f.Lookup(row.name)
	flag.DefValue = ""
	flag.Hidden = row.help == ""
	if row.value == "" {
		flag.NoOptDefVal = "true"
	}
}

// settingRows are the rows of the documents' table of settings.
func settingRows() [][]string {
	rows := [][]string{{"flag", "option", "without it", "what it says"}}
	for _, row := range settingTable {
		flag, option := strings.TrimSpace(flagOf(row.name)+" "+row.value), row.name
		if row.value != "" {
			option += "=" + row.value
		}
		if row.help == "" {
			flag = ""
		}
		says := row.help
		if says != "" && row.about != "" {
			says += "; "
		}
		rows = append(rows, []string{code(flag), code(option), row.without, says + row.about})
	}
	return rows
}

// shown is a value with the name that it has in help.
type shown struct {
	pflag.Value
	name string
}

// Type is pflag.Value.Type.
func (s shown) Type() string { return s.name }

// words are those of the value, if it is one of a few.
func (s shown) words() []string {
	if few, ok := s.Value.(worded); ok {
		return few.words()
	}
	return nil
}

// number is a setting that is a number; 0: it is not set.
type number int

func (n *number) String() string { return strconv.Itoa(int(*n)) }

// Set is pflag.Value.Set.
func (n *number) Set(v string) error {
	u, err := strconv.ParseUint(v, 0, 31)
	if err != nil || u == 0 {
		return fmt.Errorf("%q is no number of at least 1, up to %d", v, 1<<31-1)
	}
	*n = number(u)
	return nil
}

// Type is pflag.Value.Type.
func (*number) Type() string { return "int" }

// text is a setting that is any text.
type text string

func (t *text) String() string { return string(*t) }

// Set is pflag.Value.Set.
func (t *text) Set(v string) error {
	*t = text(v)
	return nil
}

// Type is pflag.Value.Type.
func (*text) Type() string { return "string" }

// checked is a setting that is a text of some form.
type checked struct {
	now   *string
	check func(string) error
}

func (c checked) String() string { return *c.now }

// Set is pflag.Value.Set.
func (c checked) Set(v string) error {
	if err := c.check(v); err != nil {
		return err
	}
	*c.now = v
	return nil
}

// Type is pflag.Value.Type.
func (checked) Type() string { return "string" }

// worded is a value that is one of a few words, which completion offers.
type worded interface{ words() []string }

// choice is a setting that is one of several words, of which the first holds if nobody asks.
type choice struct {
	now *string
	of  []string
}

func (c choice) String() string {
	if c.now == nil || *c.now == "" {
		return c.of[0]
	}
	return *c.now
}

// Set is pflag.Value.Set.
func (c choice) Set(v string) error {
	if !slices.Contains(c.of, v) {
		return fmt.Errorf("%q is none of %s", v, strings.Join(c.of, ", "))
	}
	*c.now = v
	return nil
}

// Type is pflag.Value.Type.
func (choice) Type() string { return "string" }

func (c choice) words() []string { return c.of }

// onOff is a setting that is there or not.
type onOff bool

func (o *onOff) String() string { return strconv.FormatBool(bool(*o)) }

// Set is pflag.Value.Set.
func (o *onOff) Set(v string) error {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("it takes no value")
	}
	*o = onOff(b)
	return nil
}

// Type is pflag.Value.Type.
func (*onOff) Type() string { return "bool" }

// either is a setting that is one of two words.
type either struct {
	now     *bool
	no, yes string
}

func (e either) String() string {
	if e.now != nil && *e.now {
		return e.yes
	}
	return e.no
}

// Set is pflag.Value.Set.
func (e either) Set(v string) error {
	if v != e.no && v != e.yes {
		return fmt.Errorf("%q is neither %s nor %s", v, e.no, e.yes)
	}
	*e.now = v == e.yes
	return nil
}

// Type is pflag.Value.Type.
func (either) Type() string { return "string" }

func (e either) words() []string { return []string{e.no, e.yes} }

// netReach is the value of net.
type netReach socket.Reach

func (r *netReach) String() string { return socket.Reach(*r).String() }

// Set is pflag.Value.Set.
func (r *netReach) Set(v string) error {
	reach, err := socket.ParseReach(v)
	*r = netReach(reach)
	return err
}

// Type is pflag.Value.Type.
func (r *netReach) Type() string { return "string" }

func (r *netReach) words() []string {
	return []string{socket.ReachNone.String(), socket.ReachLoopback.String(), socket.ReachAny.String()}
}
