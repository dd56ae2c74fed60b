package nodes

import "github.com/ipcfs/ipcfs/backends"

// EventsControl is /ctl/events: a line for each object that is created, removed or renamed, by whomever, from when the file is opened.
func EventsControl(env *Env, w *backends.Watch) Control {
	return Control{Name: "events", Perm: 0444, Open: func(flags int, by Caller) (Open, error) {
		e := w.Subscribe()
		e.Pays(env.Memory, by.Uid)
		return env.File(&Plain{}, e, flags, by), nil
	}}
}
