package nodes

import (
	"cmp"
	"slices"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// Waiting tells how many wait for one endpoint, in requests that are parked and in poll(2),
// and which processes these are.
type Waiting struct {
	Parked, Polling Sides
	Who             []Wait // those who wait longest, if they are many
}

// Wait is one process that waits.
type Wait struct {
	By    Caller
	Side  backends.Ready // In: to read, Out: to write
	In    string         // the call: "read", "write", "open", "poll"
	Since time.Time
}

// longest are the first of those who wait, in an order that stays as long as they do.
func longest(list []Wait) []Wait {
	slices.SortFunc(list, func(a, b Wait) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.By.Pid, b.By.Pid), cmp.Compare(a.Side, b.Side))
	})
	return list[:min(len(list), maxTold)]
}

// facts are about one process that waits. It reads /proc.
func (w Wait) facts() []Fact {
	side := Literal("reader")
	if w.Side == backends.Out {
		side = "writer"
	}
	return []Fact{
		{"pid", Label(w.By.Pid)}, {"command", comm(w.By.Pid)}, {"uid", Label(w.By.Uid)}, {"side", side},
		{"in", Literal(w.In)},
		{"since", Literal(w.Since.Format(time.RFC3339))},
	}
}

// waits are the facts of those who wait.
func waits(list []Wait) Fact {
	var rows Rows
	for _, w := range longest(list) {
		rows = append(rows, w.facts())
	}
	return Fact{"wait", rows}
}

// WaitRow is one process that waits, as the fact wait of a status tells of it.
type WaitRow struct {
	Pid, Uid          uint32
	Command, Side, In string
	Since             time.Time
}

// WaitsOf reads the fact wait.
func WaitsOf(rows Rows) []WaitRow {
	list := make([]WaitRow, len(rows))
	for i, facts := range rows {
		w := &list[i]
		for _, f := range facts {
			switch v := f.Value.(type) {
			case Label:
				if f.Key == "pid" {
					w.Pid = uint32(v)
				} else {
					w.Uid = uint32(v)
				}
			case string:
				w.Command = v
			case Literal:
				switch f.Key {
				case "side":
					w.Side = string(v)
				case "in":
					w.In = string(v)
				case "since":
					w.Since, _ = time.Parse(time.RFC3339, string(v)) // as facts wrote it
				}
			}
		}
	}
	return list
}
