package nodes

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/ipcfs/ipcfs/backends"
)

// A limitRow is a limit that can be met. From it come the lines of /ctl/limits, the words of refusals, and
// the row of the documents' table.
type limitRow struct {
	name  string // of the line in /ctl/limits; one that each user has besides has a line name/user
	holds string // what is counted, in its unit
	whose string // who has it together
	from  string // what sets it
	raise string // how to have more
}

// What one user's requests that wait may take, so that they do not take the memory the others need.
const (
	MaxWaiting      = 1 << 16  // requests: one is about 200 bytes here, and a task blocked in the kernel there
	MaxWaitingBytes = 64 << 20 // of messages that wait to be sent
)

const (
	ipcNamespace = "ipc namespace"
	eachUser     = "each user; all but root"
	half         = "half of it is for one user, three quarters for all but root"
	ofIpcfs      = "ipcfs"
	passes       = "(CAP_SYS_RESOURCE, which root has but not in most containers, passes it)"
)

// limitTable are the limits, in the order of /ctl/limits.
var limitTable = []limitRow{
	{"RLIMIT_MSGQUEUE", "bytes of all POSIX message queues", "the daemon's user, on the whole machine",
		"getrlimit(2)", "ulimit -q, or LimitMSGQUEUE= in systemd, before ipcfs starts"},
	{"fs.mqueue.queues_max", "POSIX message queues", ipcNamespace, "mq_overview(7)",
		"sysctl fs.mqueue.queues_max=512"},
	{"fs.mqueue.msg_max", "messages that fit into a queue", ipcNamespace, "mq_overview(7)",
		"sysctl fs.mqueue.msg_max=1000, of a container --sysctl as it starts " + passes},
	{"fs.mqueue.msgsize_max", "bytes that fit into a message of a queue", ipcNamespace, "mq_overview(7)",
		"sysctl fs.mqueue.msgsize_max=65536, of a container --sysctl as it starts " + passes},
	{"kernel.msgmni", "System V queues", ipcNamespace, "msgget(2)", "sysctl kernel.msgmni=32000"},
	{"kernel.msgmax", "bytes of a System V message", ipcNamespace, "msgsnd(2)",
		"sysctl kernel.msgmax=65536"},
	{"kernel.msgmnb", "bytes in a System V queue, if root does not allow it more", ipcNamespace,
		"msgsnd(2)", "sysctl kernel.msgmnb=65536"},
	{"kernel.shmmni", "System V segments", ipcNamespace, "shmget(2)", "sysctl kernel.shmmni=8192"},
	{"kernel.shmmax", "bytes of a System V segment", ipcNamespace, "shmget(2)",
		"sysctl kernel.shmmax=BYTES"},
	{"kernel.shmall", "pages of all System V segments", ipcNamespace, "shmget(2)",
		"sysctl kernel.shmall=PAGES"},
	{"shm_bytes", "bytes of POSIX shared memory", "mount namespace", "the size of the tmpfs at /dev/shm",
		"mount -o remount,size=80% /dev/shm"},
	{"RLIMIT_NOFILE", "descriptors", "the daemon", "getrlimit(2)",
		"ulimit -n, or LimitNOFILE= in systemd, before ipcfs starts"},
	{"fs.file-max", "open files", "the machine", "proc_sys_fs(5)", "sysctl fs.file-max=N"},
	{"fs.epoll.max_user_watches", "descriptors that somebody waits for", "the daemon's user, in all programs",
		"epoll(7)", "sysctl fs.epoll.max_user_watches=N; those beyond it are looked at ten times a second"},
	{"fs.inotify.max_user_instances", "inotify instances, of which `events` takes one", "the daemon's user",
		"inotify(7)", "sysctl fs.inotify.max_user_instances=1024"},
	{"fs.pipe-max-size", "bytes that a FIFO may be made to hold", "each user but root", "pipe(7)",
		"sysctl fs.pipe-max-size=4194304"},
	{"descriptors", "connections, touched sockets, and queues and shared memory objects open through ipcfs", eachUser,
		"RLIMIT_NOFILE of the daemon: " + half,
		"half of the daemon's RLIMIT_NOFILE is for one user: ulimit -n, or LimitNOFILE= in systemd, " +
			"before ipcfs starts"},
	{"memory", "bytes of messages read in part, lines not finished, events not read and messages that servers " +
		"elsewhere have given", "each user",
		ofIpcfs, "read to the end"},
	{"waiting", "requests that wait", "each user", ofIpcfs, "end some of the programs that wait"},
	{"waiting_bytes", "bytes of writes that wait", "each user", ofIpcfs,
		"read what they wait for, or end some of the programs"},
	{"topic_bytes", "bytes of messages in topics", "each user", ofIpcfs,
		"read them, clear retained values (: > topic), or lower keep=, depth= and bytes="},
	{"groups", "groups of topics that servers elsewhere keep", "each user", ofIpcfs,
		"have more readers name the same group; one that nobody is in counts for 21 s more"},
	{"state_files", "names in fifos, sockets and topics and messages on lease", eachUser,
		"what is free on the file system of the state directory: a quarter of it is for one user, " +
			"half for all but root",
		"remove some, or give the file system of {name} more (df -i), or choose another {set state-dir}"},
	{"state_bytes", "bytes in the state directory", eachUser, "as state_files",
		"remove some, or give the file system of {name} more (df), or choose another {set state-dir}"},
	{"lease_bytes", "bytes of messages on lease", "each user but root", ofIpcfs, "ack or nack some"},
	{"lease_tries", "messages that went back", "each user", ofIpcfs, "beyond it tries count anew"},
	{"socket_files", "plain files in sockets", "each user", ofIpcfs,
		"remove some: opening a new name with O_EXCL (set -C) makes them, for locks and pids"},
	{"queue_bytes", "bytes of message queues", eachUser,
		"the soft RLIMIT_MSGQUEUE of the user's own process, and that of the daemon: " + half,
		"remove queues, make smaller ones (maxmsg=, msgsize=), or raise RLIMIT_MSGQUEUE: the user's " +
			"own (ulimit -q, limits.conf(5)), of which this is the soft limit, or the daemon's, of " +
			"which one user has half (LimitMSGQUEUE= in systemd)"},
	{"open_files", "files of the tree open", "each user", ofIpcfs, "close some"},
	{"locks", "ranges of bytes that are locked (fcntl(2)) by way of the tree", "each user but root", ofIpcfs,
		"give some back, or lock ranges that meet"},
	{"watches", "directories whose events are followed", eachUser,
		"fs.inotify.max_user_watches: a quarter of it is for one user, half for all but root",
		"sysctl fs.inotify.max_user_watches: a quarter of it is for one user; beyond it ctl/events " +
			"does not tell of what is in a directory"},
}

// limitPlace is the place in the table of a line of /ctl/limits; -1: it has no row.
func limitPlace(name string) int {
	name = strings.TrimSuffix(name, "/user")
	return slices.IndexFunc(limitTable, func(row limitRow) bool { return row.name == name })
}

// limitNamed is the row of a line of /ctl/limits.
func limitNamed(name string) limitRow {
	if i := limitPlace(name); i >= 0 {
		return limitTable[i]
	}
	return limitRow{name: name}
}

// LimitRows are the limits for documents and help: a head and rows, in markdown.
func LimitRows() [][]string {
	table := [][]string{{"limit", "what is counted", "whose", "what sets it", "how to have more"}}
	for _, row := range limitTable {
		raise := sentence(row.raise, &backends.Refusal{Name: "the state directory"}, nil)
		table = append(table, []string{"`" + row.name + "`", row.holds, row.whose, row.from, raise})
	}
	return table
}

// LimitsControl is /ctl/limits: what is used of each limit, and how to raise it.
func LimitsControl(failures *Failures, limits func() []backends.Limit) Control {
	return TextControl("limits", func() (string, error) {
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "LIMIT\tUSED\tALLOWED\tRAISE IT WITH")
		list := limits()
		slices.SortStableFunc(list, func(a, b backends.Limit) int { return limitPlace(a.Name) - limitPlace(b.Name) })
		for _, l := range list {
			raise := sentence(limitNamed(l.Name).raise, &backends.Refusal{Name: l.Of}, failures.Flags)
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, known(l.Used), known(l.Limit), raise)
		}
		err := w.Flush()
		return b.String(), err
	})
}

func known(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
