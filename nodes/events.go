package nodes

import "github.com/ipcfs/ipcfs/backends"

// EventsControl is /ctl/events: a line for each object that is created, removed or renamed, by whomever, from when the file is opened,
// in directories that the reader may search.
func EventsControl(env *Env, w *backends.Watch) Control {
	return Control{Name: "events", Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		by = by.remembered()
		may := by.maySearch()
		e := w.Subscribe(func(way []Attr) bool { return may(way...) }, by.Uid == 0)
		e.Pays(env.Memory, by.Uid)
		return env.File(&Plain{}, e, flags, by), nil
	}}
}
