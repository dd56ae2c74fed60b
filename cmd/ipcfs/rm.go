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
			return r.single(args)
		}
		p, v, err := lookAtPlace(args)
		if err != nil {
			return err
		}
		defer v.Close()
		list, err := v.objects(p.path, maxLooked, 0)
		if err != nil {
			return notLive(p.Info, err)
		}
		return r.run(out, p, list)
	}
}

// single is the error of `ipcfs rm` without --stale: rm(1) removes a single object.
func (r removing) single(args []string) error {
	do := "rm MOUNTPOINT/CLASS/NAME"
	if p, err := placeOf(args); err == nil && p.path != "" && p.word() == p.path {
		do = "rm " + path.Join(p.Mountpoint, p.path)
	}
	return usagef("rm removes what is stale: ipcfs rm --stale (a single object: %s)", do)
}

// stale is an object that nobody uses.
type stale struct {
	object
	removed bool
	failed  error
}

// forJSON is what ls --json tells of it, and what rm adds to that: what is lost with it ("": nothing), and
// whether it was removed.
func (s stale) forJSON() facts {
	f := forJSON([]object{s.object})[0]
	f["holds"], f["removed"] = s.holds(), s.removed
	if s.failed != nil {
		f["error"] = s.failed.Error()
	}
	return f
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
		s := stale{object: o}
		if r.yes {
			s.failed = s.remove(p.Mountpoint)
			s.removed = s.failed == nil
			failed = errors.Join(failed, s.failed)
		}
		list = append(list, s)
	}
	if r.json {
		all := make([]facts, len(list))
		for i, s := range list {
			all[i] = s.forJSON()
		}
		return errors.Join(failed, printJSON(out, all))
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "Nothing is stale.")
		return err
	}
	table := columns{heads: []string{"CLASS", "NAME*", "OWNER", ">UNUSED", "HOLDS"}}
	for _, s := range list {
		table.add(s.class, backends.Word(s.name), owner(s.Uid), since(s.used(), now), dash(s.holds() != "", s.holds()))
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

// remove removes the object from the tree that is mounted there.
func (o object) remove(mountpoint string) error {
	err := os.Remove(path.Join(mountpoint, string(o.Path)))
	if failed := (*os.PathError)(nil); errors.As(err, &failed) {
		failed.Path = backends.Word(string(o.Path))
	}
	return err
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
