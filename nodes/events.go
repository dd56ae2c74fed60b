package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
)

// eventTable says what the lines of /ctl/events mean.
var eventTable = []struct {
	kind       backends.EventKind
	args, what string
	all        bool // a line that is about no class
}{
	{backends.EventCreate, "PATH",
		"an object or a directory was made, or moved there from where the reader may not search", false},
	{backends.EventRemove, "PATH", "it was removed, or moved to where the reader may not search", false},
	{backends.EventRename, "OLD NEW", "it has another name", false},
	{backends.EventLost, "[N]",
		"N lines are missing, as the reader was slow; without N: some may be, which the kernel did not keep, " +
			"or as the daemon went on in another process", true},
}

// fileEvents are those of classes whose objects are files in directories.
var fileEvents = []backends.EventKind{backends.EventCreate, backends.EventRemove, backends.EventRename}

// EventsControl is /ctl/events: a line for each object that is created, removed or renamed, by whomever,
// from when the file is opened, in directories that the reader may search.
func EventsControl(env *Env, w *backends.Watch) Control {
	return Control{Name: "events", Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		by = by.remembered()
		may := by.maySearch()
		e := w.Subscribe(func(way []Attr) bool { return may(way...) }, by.Uid == 0)
		e.Pays(env.Heap, by.Uid)
		if by.again {
			e.Missed()
		}
		return env.File(&Plain{}, e, flags, by), nil
	}}
}
