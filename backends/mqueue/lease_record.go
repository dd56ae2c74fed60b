package mqueue

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// A lease is kept as a file: a line that says where the message belongs and who took it, and the message.
const recordFormat = "prio=%d tries=%d len=%d ino=%d owner=%d uid=%d queue=%q\n"

// maxRecord is the longest file there is of a lease, in bytes: the longest message of a queue
// (HARD_MSGSIZEMAX, mq_overview(7)).
const maxRecord = 16<<20 + 4096

// errRecord says that a file is none of a lease's, or was not written to its end.
var errRecord = errors.New("not a message on lease")

// Record writes the lease to its file. If that fails, the message must not be handed out; it can be tried
// again.
func (one *Lease) Record() error {
	dir := one.all.dir
	backends.Point("recording")
	fd, err := backends.OpenBeneath(dir.Fd(), one.file, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0600)
	if err != nil {
		return dir.Why(err)
	}
	defer unix.Close(fd)
	text := one.header()
	for text = append(text, one.Data...); len(text) > 0 && err == nil; {
		var n int
		n, err = unix.Write(fd, text)
		text = text[max(n, 0):]
	}
	if err != nil {
		_ = dir.Remove(backends.Named(one.file))
		return dir.Why(err)
	}
	backends.Point("recorded")
	one.recorded = true
	one.told()
	backends.Point("told tries")
	free(one.desk)
	one.desk = nil
	return nil
}

// readRecord reads the lease in a file of dir.
func readRecord(dir int, name string) (*Lease, error) {
	text, err := backends.ReadRegular(dir, name, maxRecord)
	if err != nil {
		return nil, err
	}
	header, data, ok := bytes.Cut(text, []byte("\n"))
	one := &Lease{Data: data, recorded: true}
	size, err := one.parse(string(header) + "\n")
	switch {
	case !ok || err == errRecord:
		return nil, fmt.Errorf("%w: it begins with %.60q", errRecord, header)
	case err != nil:
		return one.old(header)
	case size != len(data) || one.Meta.Prio >= PrioMax:
		return nil, fmt.Errorf("%w: %d bytes of %d, priority %d", errRecord, len(data), size, one.Meta.Prio)
	}
	return one, nil
}

// parse reads the first line of a record, and how long its message is. errRecord: it is none.
func (one *Lease) parse(header string) (size int, err error) {
	n, err := fmt.Sscanf(header, recordFormat, &one.Meta.Prio, &one.Tries, &size, &one.ino, &one.owner, &one.uid,
		&one.queue)
	if err != nil && n == 0 {
		err = errRecord
	}
	return size, err
}

// old is a lease as earlier versions kept it, in a directory with the name of its queue: the queue and its
// owner are not in the file.
func (one *Lease) old(header []byte) (*Lease, error) {
	_, err := fmt.Sscanf(string(header), "prio=%d tries=%d", &one.Meta.Prio, &one.Tries)
	if err != nil || one.Meta.Prio >= PrioMax {
		return nil, fmt.Errorf("%w: it begins with %.60q", errRecord, header)
	}
	one.ino, one.owner, one.uid, one.queue = 0, 0, 0, ""
	return one, nil
}
