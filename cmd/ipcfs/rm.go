package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// removing is what `ipcfs rm` is asked for.
type removing struct {
	stale, yes, json bool
	older            time.Duration
}

// rmCommand is `ipcfs rm --stale`.
func rmCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var r removing
	f.BoolVar(&r.stale, "stale", false, "what nobody uses any more")
	f.BoolVar(&r.yes, "yes", false, "remove it; without, it is only listed")
	f.DurationVar(&r.older, "older", 24*time.Hour, "and nobody has for `TIME`: 90m, 24h, 0s")
	f.BoolVar(&r.json, "json", false, "print JSON")
	return func(out io.Writer, args []string) error {
		if !r.stale {
			return usagef("rm removes what is stale: ipcfs rm --stale (a single object: rm)")
		}
		p, v, err := lookAtPlace(args)
		if err != nil {
			return err
		}
		defer v.Close()
		list, err := v.objects(p.path, maxLooked, true)
		if err != nil {
			return notLive(p.Info, err)
		}
		return r.run(out, p, list)
	}
}

// stale is an object that nobody uses.
type stale struct {
	object
	Class   string `json:"class"`
	Name    string `json:"name"`
	Holds   string `json:"holds"` // what is lost with it; "": nothing
	Removed bool   `json:"removed"`
	Error   string `json:"error,omitempty"`
}

// run lists what is stale, and removes it if it is asked to.
func (r removing) run(out io.Writer, p place, all []object) error {
	now := time.Now()
	var list []stale
	var failed error
	for _, o := range all {
		if attached(o.class) || !o.unused() || now.Sub(o.used()) < r.older || !o.mine() {
			continue
		}
		s := stale{object: o, Class: o.class, Name: o.name, Holds: o.holds()}
		if r.yes {
			err := os.Remove(path.Join(p.Mountpoint, string(o.Path)))
			if s.Removed = err == nil; !s.Removed {
				s.Error = err.Error()
				failed = errors.Join(failed, err)
			}
		}
		list = append(list, s)
	}
	if r.json {
		return errors.Join(failed, printJSON(out, list))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "Nothing is stale.")
		return err
	}
	table := columns{heads: []string{"CLASS", "NAME*", "OWNER", ">UNUSED", "HOLDS"}}
	for _, s := range list {
		table.add(s.Class, backends.Word(s.Name), owner(s.Uid), since(s.used(), now), dash(s.Holds != "", s.Holds))
	}
	if err := table.print(out); err != nil {
		return err
	}
	verb := "Not removed: --yes removes them."
	if r.yes {
		verb = "Removed."
	}
	fmt.Fprintln(out, verb)
	return failed
}

// used is when the object was used last, as far as the kernel remembers.
func (o object) used() time.Time {
	last := time.Unix(max(o.Sent, o.Received), 0)
	for _, key := range []string{"created", "stime", "rtime", "ctime", "atime", "dtime"} {
		if t := o.facts.time(key); t.After(last) {
			last = t
		}
	}
	return last
}

// unused reports whether nobody uses the object: nobody has it open in the tree, and no process
// natively. The kernel shows the processes of all users only to root. A socket is in use if ipcfs
// listens on it, or if a server that may live has bound it.
func (o object) unused() bool {
	f := o.facts
	if f == nil || len(o.users) > 0 || f.num("readers")+f.num("writers")+f.num("connections")+f.num("nattch") > 0 {
		return false
	}
	switch {
	case strings.HasSuffix(o.class, "sockets"):
		return f.str("state") == "orphaned" || f.str("state") == "refusing"
	case strings.HasPrefix(o.class, "sysv/"):
		for _, key := range []string{"cpid", "lpid", "lspid", "lrpid"} {
			if pid := int(f.num(key)); pid > 0 && unix.Kill(pid, 0) != unix.ESRCH {
				return false
			}
		}
	}
	return true
}

// attached reports whether a class is of what is attached. Programs on other machines may have its objects
// open and messages on lease, and nothing here can tell.
func attached(class string) bool {
	name, below, _ := strings.Cut(class, "/")
	return name != "sysv" && (below == "queues" || below == "topics")
}

// mine reports whether this user may remove the object: its owner and root may.
func (o object) mine() bool { return os.Geteuid() == 0 || os.Geteuid() == int(o.Uid) }

// holds is what is lost with the object.
func (o object) holds() string {
	f := o.facts
	switch {
	case f.num("messages")+f.num("qnum") > 0:
		return counted(f.num("messages")+f.num("qnum"), "message", "messages")
	case f.num("value") > 0:
		return "a retained value"
	case strings.HasSuffix(o.class, "shm") && o.Size > 0:
		return bytesOf(o.Size) + " bytes"
	}
	return ""
}
