package main

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errorTable are the errnos that a tree answers. TestErrors compares with the code.
var errorTable = []struct {
	errno       syscall.Errno
	why, answer string
}{
	{unix.EACCES, "the mode; `lease` and `accept` for writing only; a host beyond `--net`",
		"`ls -l`; open both ways; `--net=any`"},
	{unix.EADDRINUSE, "another program listens on the port, or has the socket's address", "`ss -lp`; another port"},
	{unix.EADDRNOTAVAIL, "the machine has no such address, or no free port to call from", "an address of `ip addr`"},
	{unix.EAFNOSUPPORT, "the kernel has no IPv6, or none of that kind of address", "an IPv4 address"},
	{unix.EAGAIN, "O_NONBLOCK, and nothing there or no room; of shared memory: a lease (fcntl(2))", "poll, or wait"},
	{unix.EBADF, "the file is open for the other direction only, or has only one: `events`, `last`",
		"open it the other way"},
	{unix.ECONNABORTED, "the daemon has ended while the call waited", "mount anew, open anew"},
	{unix.ECONNREFUSED, "nobody listens; the server of a bound socket is gone, or older than the mount",
		"start the server anew"},
	{unix.ECONNRESET, "the peer is gone; `slow=cut`", "open anew"},
	{unix.EDESTADDRREQ, "a datagram without a receiver", "`sockets/udp/HOST:PORT`, or `records` with `from=`"},
	{unix.EDQUOT, "bytes of queues (RLIMIT_MSGQUEUE), of topics, of leases, of the state directory",
		"`cat ctl/limits`; smaller queues; `LimitMSGQUEUE=infinity`"},
	{unix.EEXIST, "`ctl/new` makes only what is not there", "another name, or use what is there"},
	{unix.EFBIG, "a plain file in `sockets` beyond 64 KiB; beyond the end of a segment", "less at once"},
	{unix.EHOSTDOWN, "an attachment has no connection to its servers", "`cat ctl/NAME/status`"},
	{unix.EHOSTUNREACH, "a name that is not in /etc/hosts; no way to the address", "an address"},
	{unix.EIDRM, "the queue, topic or socket was removed", "open anew"},
	{unix.EINTR, "a signal, Ctrl-Z, a limit of FUSE", "try again"},
	{unix.EINVAL, "a command of `ctl` that is none; `maxmsg` or `msgsize` too large; sendfile", "`cat ctl/err`"},
	{unix.EIO, "what no other errno says: see the log; an attachment's servers refuse; dash says so of any errno",
		"`cat ctl/err`"},
	{unix.EISDIR, "a directory of topics, or of control files", "`all`, or a file in it"},
	{unix.ELOOP, "symbolic links lead to the state directory in a circle", "`--state-dir`"},
	{unix.EMFILE, "mq_open(3) of a program: RLIMIT_MSGQUEUE is used up, natively", "as EDQUOT"},
	{unix.EMSGSIZE, "longer than `msgsize`, or than 1,044,480 bytes", "`ctl/new` with `msgsize=`"},
	{unix.ENAMETOOLONG, "a name of more than 255 bytes, or one that its server cannot have", "a shorter name"},
	{unix.ENETUNREACH, "there is no route to a host's network", "`ip route`"},
	{unix.ENFILE, "65536 files open, or half of the daemon's descriptors: of one user", "close some; `LimitNOFILE=`"},
	{unix.ENOBUFS, "64 MiB of one user's that wait, or 65536 requests", "read; end some"},
	{unix.ENODEV, "the tree was unmounted while the call waited", "mount anew, open anew"},
	{unix.ENOENT, "no such object; a control file whose object is gone", "`ls`"},
	{unix.ENOLCK, "only `shm` has locks", "`flock shm/lock`"},
	{unix.ENOMEM, "the kernel has no memory left for it", "`free`, `dmesg`"},
	{unix.ENOMSG, "`ack` without a message; `peek/N` beyond the last", "read one first"},
	{unix.ENOSPC, "the number of queues (fs.mqueue.queues_max), or /dev/shm is full", "`cat ctl/limits`"},
	{unix.ENOTCONN, "the daemon has ended; `shutdown` without a connection", "mount anew, open anew"},
	{unix.ENOTDIR, "the path goes through an object", "`ctl/CLASS/NAME` has the control files"},
	{unix.ENOTEMPTY, "a directory that still has objects", "remove them first"},
	{unix.ENOTSOCK, "what was bound there is no socket any more", "`ls -l`"},
	{unix.ENOTTY, "ioctl(2): no file here is a terminal", "none is needed"},
	{unix.ENXIO, "a bound socket was opened; `noreader=error`", "connect(2), `dial`"},
	{unix.EOPNOTSUPP, "resize of a queue; O_EXCL of a FIFO; O_TMPFILE", "another queue; mkfifo"},
	{unix.EPERM, "rename, link, mkdir in `queues`; `>` of a control file that is none; not the owner; " +
		"the size of a segment", "`cat ctl/err`"},
	{unix.EPIPE, "the peer reads no more", "open anew"},
	{unix.EROFS, "/dev/shm or the state directory is mounted read-only", "`mount -o remount,rw`"},
	{unix.ESPIPE, "a file that is opened both ways has no place to seek to", "open it for reading only"},
	{unix.ESTALE, "another object has that name now, or another owner or mode", "open anew"},
	{unix.ETIMEDOUT, "the time of `next@TIME` is over; a host does not answer", "a longer time"},
	{unix.EXDEV, "mv or ln from one class to another", "write what is in it"},
}

// errorRows are the rows of errorTable.
func errorRows() [][]string {
	rows := [][]string{{"errno", "number", "one sees", "why", "what to do"}}
	for _, e := range errorTable {
		rows = append(rows, []string{
			nameOf(e.errno), strconv.Itoa(int(e.errno)), seenAs(e.errno), e.why, e.answer,
		})
	}
	return rows
}

// nameOf is an errno's name in errno.h, or both.
func nameOf(errno syscall.Errno) string {
	switch errno {
	case unix.EAGAIN:
		return "EAGAIN, EWOULDBLOCK"
	case unix.EOPNOTSUPP:
		return "EOPNOTSUPP, ENOTSUP"
	}
	return unix.ErrnoName(errno)
}

// seenAs is what programs print of an errno (strerror(3)).
func seenAs(errno syscall.Errno) string {
	text := errno.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
