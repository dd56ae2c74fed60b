package mqueue

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// TestCreateFails: of a queue that cannot be held open when it is made nothing stays, and a queue that
// somebody else has made of its name meanwhile is left alone.
func TestCreateFails(t *testing.T) {
	p, err := backends.NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	q := NewQueues(p, 2, 64)
	defer q.Close()
	name := fmt.Sprintf("ipcfs-create-%d", os.Getpid())
	o := backends.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0600}
	refuse := func(int, error) (int, error) { return -1, unix.EMFILE }
	_, err = q.create(name, o, 2, 64, refuse)
	if errors.Is(err, ErrBytes) || errors.Is(err, unix.ENOSPC) {
		t.Skip("no room for a queue: ", err)
	}
	if _, there := q.Find(name); err != unix.EMFILE || there != unix.ENOENT {
		t.Errorf("%v; afterwards its name is %v", err, there)
	}
	var theirs int
	_, err = q.create(name, o, 2, 64, func(int, error) (int, error) {
		err := mqUnlink(name)
		if err == nil {
			theirs, err = mqOpen(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0600, &mqAttr{MaxMsg: 2, MsgSize: 64})
		}
		if err != nil {
			t.Fatal(err)
		}
		return -1, unix.EMFILE
	})
	defer unix.Close(theirs)
	if e := mqUnlink(name); err != unix.EMFILE || e != nil {
		t.Errorf("%v; the other's queue: %v", err, e)
	}
}

// TestRemovedUntold: who has a queue open is told of its removal, also where the kernel did not say which it
// was.
func TestRemovedUntold(t *testing.T) {
	_, q, one, _ := leasing(t)
	if err := mqUnlink(one.name); err != nil {
		t.Fatal(err)
	}
	q.Removed("")
	if _, err := one.TryWrite([]byte("x"), backends.Meta{}); err != backends.ErrRemoved {
		t.Error(err)
	}
	if q.pasts[one.name] != nil {
		t.Error("it is remembered")
	}
}

// TestPastOfAnother: what an earlier process did with a queue that was removed since is not noted of one that
// has its name now, which its owner goes on to pay for.
func TestPastOfAnother(t *testing.T) {
	_, q, one, _ := leasing(t)
	if _, err := one.TryWrite([]byte("x"), backends.Meta{}); err != nil {
		t.Fatal(err)
	}
	uid := uint32(os.Geteuid())
	costs := q.Bytes.Used(uid)
	q.pastOf(one.name, one.ino+1).sent.Add(1, 1)
	q.pastOf(one.name+" is none", one.ino+2).sent.Add(1, 1)
	if sent, _ := one.Counts(); sent != (backends.Moved{Messages: 1, Bytes: 1}) || q.pasts[one.name] != one.past ||
		costs == 0 || q.Bytes.Used(uid) != costs {
		t.Errorf("%v sent, it costs %d, before %d", sent, q.Bytes.Used(uid), costs)
	}
	if q.dir != nil && q.pasts[one.name+" is none"] != nil {
		t.Error("a queue that is none is remembered")
	}
	if q.pastOf(one.name, one.ino) != one.past {
		t.Error("its own past is another")
	}
}
