package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
)

// A finding is what doctor says of one thing.
type finding struct {
	State string `json:"state"` // "ok", "warn" or "FAIL"
	Text  string `json:"text"`
	Do    string `json:"do,omitempty"` // the command that mends it
}

func ok(format string, a ...any) finding { return finding{"ok", fmt.Sprintf(format, a...), ""} }

func warn(do, format string, a ...any) finding { return finding{"warn", fmt.Sprintf(format, a...), do} }

func fail(do, format string, a ...any) finding { return finding{"FAIL", fmt.Sprintf(format, a...), do} }

// doctorCommand is `ipcfs doctor`.
func doctorCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var d struct {
		json, report, hide bool
	}
	f.BoolVar(&d.json, "json", false, "print JSON")
	f.BoolVar(&d.report, "report", false, "print all that an issue about a fault needs")
	f.BoolVar(&d.hide, "hide-names", false, "and show no names of objects in it")
	return func(out io.Writer, args []string) error {
		var list []finding
		for _, check := range checks {
			list = append(list, check()...)
		}
		points, err := examined(args)
		var strays []finding
		switch {
		case len(args) == 0:
			strays = checkDetached("")
		case err != nil:
			strays = detachedAt(args[0])
		default:
			strays = checkDetached(points[0].Mountpoint)
		}
		if err != nil && len(strays) == 0 {
			return err
		}
		if err != nil {
			points = nil
		}
		for _, p := range points {
			list = append(list, checkTree(p)...)
		}
		list = append(list, strays...)
		switch {
		case d.json:
			err = printJSON(out, list)
		case d.report:
			err = report(out, list, points, d.hide)
		default:
			err = printFindings(out, list)
		}
		for _, one := range list {
			if one.State == "FAIL" {
				return errors.Join(err, exit{status: exitFailure})
			}
		}
		return err
	}
}

// examined are the trees that doctor looks at: that of the arguments, or all.
func examined(args []string) (list []place, err error) {
	if len(args) > 0 {
		p, err := placeOf(args)
		if err == nil {
			err = p.whole("doctor")
		}
		if e := (exit{}); errors.As(err, &e) && e.status == exitDead {
			err = exit{exitFailure, e.err}
		}
		return []place{p}, err
	}
	all, err := trees()
	for _, m := range all {
		list = append(list, place{m, ""})
	}
	return list, err
}

// checkTree looks at one tree.
func checkTree(p place) []finding {
	at := p.Mountpoint
	v, err := lookAt(p.Info)
	if err != nil {
		return []finding{fail("", "%s: %v", at, err)}
	}
	defer v.Close()
	t, err := v.tree()
	if err != nil {
		do, why := dead(p.Info, err)
		if why == nil {
			why = fmt.Errorf("%s: %w", at, err)
		}
		return []finding{fail(do, "%v", why)}
	}
	list := []finding{ok("%s is live, pid %d", at, t.Daemon.num("pid"))}
	if theirs := t.Daemon.str("version"); theirs != version() {
		do := "ipcfs umount " + at + "; ipcfs " + at
		if t.Daemon.has("keeper_pid") {
			do = "ipcfs upgrade " + at
		}
		list = append(list, warn(do, "%s: the daemon is ipcfs %s, this program %s", at, theirs, version()))
	}
	if what, do := crashed(t.Daemon); what != "" {
		list = append(list, warn(do, "%s: %s", at, what))
	}
	for _, w := range t.Warnings {
		what, do, _ := strings.Cut(w, ": ")
		list = append(list, warn(do, "%s: %s", at, what))
	}
	if why := t.Daemon.str("shm_reason"); why != "" {
		list = append(list, warn("", "%s: shm through the page cache: %s", at, why))
	}
	if why := t.Daemon.str("keeper_reason"); why != "" {
		list = append(list, warn("", "%s: no keeper: %s", at, why))
	}
	list = append(list, checkAttached(at, t.Daemon)...)
	if dir := t.Daemon.str("state_dir"); dir != "" {
		list = append(list, checkState(dir, int(t.Daemon.num("pid"))))
	}
	return list
}

// crashed tells of workers that have ended unasked, and where to look; "": none has.
func crashed(daemon facts) (what, do string) {
	n, last := daemon.num("restarts"), daemon.str("last_crash")
	if n == 0 && last == "" {
		return "", ""
	}
	return fmt.Sprintf("the worker has crashed, restarts=%d, the last one %s", n, last),
		fmt.Sprintf("the log says more: %s/ipcfs.log, or of a service journalctl -u ipcfs", daemon.str("state_dir"))
}

// printFindings prints findings for people.
func printFindings(out io.Writer, list []finding) error {
	var b strings.Builder
	for _, one := range list { // others may have chosen the names in them
		fmt.Fprintf(&b, "%-5s %s\n", one.State, backends.Line(one.Text))
		if one.Do != "" {
			fmt.Fprintf(&b, "      %s\n", backends.Line(one.Do))
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}
