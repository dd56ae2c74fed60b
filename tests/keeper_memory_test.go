package tests

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// heldMemory is shared memory that a test has open, by several open files, while its name goes.
type heldMemory struct {
	t          *testing.T
	name       string
	rw, ro, up int // up is a duplicate of rw
	other      int // who else has it open, to write
	more       []int
	size       int64
	fixed      bool // it has a size of its own
	was        unix.Stat_t
}

const memorySize = 8192

func holdMemory(t *testing.T, at string, fixed bool) *heldMemory {
	t.Helper()
	m := &heldMemory{t: t, name: at, size: memorySize, fixed: fixed}
	open := func(flags int) int {
		fd, err := unix.Open(at, flags|unix.O_CLOEXEC, 0600)
		check(t, err)
		return fd
	}
	m.rw, m.ro, m.other = open(unix.O_RDWR|unix.O_CREAT), open(unix.O_RDONLY), open(unix.O_RDWR)
	var err error
	m.up, err = unix.Dup(m.rw)
	check(t, err)
	if !fixed {
		check(t, unix.Ftruncate(m.rw, m.size))
	}
	_, err = unix.Pwrite(m.rw, []byte("begin"), 0)
	check(t, err)
	check(t, unix.Fstat(m.rw, &m.was))
	return m
}

// locks takes a lock of either kind.
func (m *heldMemory) locks() {
	m.t.Helper()
	check(m.t, unix.Flock(m.rw, unix.LOCK_EX|unix.LOCK_NB))
	check(m.t, unix.FcntlFlock(uintptr(m.rw), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 10, Len: 5}))
	check(m.t, unix.FcntlFlock(uintptr(m.rw), unix.F_SETLK, &unix.Flock_t{Type: unix.F_RDLCK, Start: 30, Len: 5}))
}

// is reports what of it is not as it was, and changes it.
func (m *heldMemory) is(round int, name string) {
	m.t.Helper()
	fails := func(what string, err error) {
		m.t.Helper()
		if err != nil {
			m.t.Errorf("%s, round %d, %s: %v", name, round, what, err)
		}
	}
	var st unix.Stat_t
	for _, fd := range []int{m.rw, m.ro, m.up, m.other} {
		fails("fstat", unix.Fstat(fd, &st))
		if st.Size != m.size || st.Ino != m.was.Ino || st.Nlink != 0 || st.Mode != m.was.Mode || st.Uid != m.was.Uid {
			m.t.Errorf("%s, round %d: it is %+v, was %+v", name, round, st, m.was)
		}
	}
	b := make([]byte, 5)
	for _, fd := range []int{m.rw, m.ro, m.up} {
		if _, err := unix.Pread(fd, b, 0); err != nil || string(b) != "begin" {
			m.t.Errorf("%s, round %d, read: %q, %v", name, round, b, err)
		}
	}
	text := fmt.Sprintf("%05d", round)
	_, err := unix.Pwrite(m.up, []byte(text), 100)
	fails("write", err)
	if _, err = unix.Pread(m.ro, b, 100); err != nil || string(b) != text {
		m.t.Errorf("%s, round %d, read back: %q, %v", name, round, b, err)
	}
	if _, err = unix.Pwrite(m.ro, b, 0); err != unix.EBADF {
		m.t.Errorf("%s, round %d: write to what is open for reading: %v", name, round, err)
	}
	mapped, err := unix.Mmap(m.ro, 0, memorySize, unix.PROT_READ, unix.MAP_SHARED)
	if fails("mmap", err); err == nil {
		if !slices.Equal(mapped[100:105], []byte(text)) {
			m.t.Errorf("%s, round %d: mapped is %q", name, round, mapped[100:105])
		}
		fails("munmap", unix.Munmap(mapped))
	}
	again, err := unix.Open(fmt.Sprint("/proc/self/fd/", m.ro), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if fails("open anew", err); err == nil {
		_, err = unix.Pread(again, b, 100)
		fails("read anew", err)
		m.more = append(m.more, again) // closing it would end the locks that are this process's
	}
	if m.fixed {
		if err := unix.Ftruncate(m.rw, m.size+4096); err != unix.EPERM {
			m.t.Errorf("%s, round %d: ftruncate is %v", name, round, err)
		}
	} else {
		m.size += 4096
		fails("ftruncate", unix.Ftruncate(m.rw, m.size))
		fails("fchmod", unix.Fchmod(m.rw, m.was.Mode&0777^0040))
		m.was.Mode ^= 0040
	}
	if err := unix.Flock(m.other, unix.LOCK_SH|unix.LOCK_NB); err != unix.EWOULDBLOCK {
		m.t.Errorf("%s, round %d: another flock is %v", name, round, err)
	}
	for _, start := range []int64{10, 30} {
		k := unix.Flock_t{Type: unix.F_WRLCK, Start: start, Len: 1}
		fails("test of a lock", unix.FcntlFlock(uintptr(m.other), unix.F_OFD_GETLK, &k))
		if k.Type == unix.F_UNLCK || k.Len != 5 {
			m.t.Errorf("%s, round %d: the lock at %d is %+v", name, round, start, k)
		}
	}
}

// ends closes it; its locks go with who has them.
func (m *heldMemory) ends() {
	unix.Close(m.rw)
	unix.Close(m.up)
	if err := unix.Flock(m.other, unix.LOCK_EX); err != nil {
		m.t.Errorf("%s: flock, when who had the lock has closed it: %v", m.name, err)
	}
	for _, fd := range append(m.more, m.ro, m.other) {
		unix.Close(fd)
	}
}

// TestMemoryGoesOn: shared memory whose name is gone, whoever has removed it or given it to another object,
// goes on for those who have it open when the worker is killed, again and again, and for an upgrade. When the
// last of them closes it, it is gone, and nothing is left with the keeper.
func TestMemoryGoesOn(t *testing.T) {
	for _, mode := range []string{"auto", "page-cache"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			memoryGoesOn(t, mode)
		})
	}
}

func memoryGoesOn(t *testing.T, mode string) {
	s := shelved(t, "--shm="+mode)
	at := func(name string) string { return s.tr.mnt + "/" + name }
	keeper, _ := s.pids()
	kept := func() int {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", keeper))
		check(t, err)
		return len(list)
	}
	before := kept()
	names := []string{"shm/removed", "shm/unlinked", "shm/moved", "shm/replaced", "shm/sem.removed", "sockets/removed"}
	if shown, err := s.tr.status("shm"); err == nil && shown == "passthrough" {
		names = append(names, "sysv/shm/0x00004301", "sysv/shm/0x00004302")
		check(t, os.WriteFile(at("ctl/new"),
			fmt.Appendf(nil, "sysv/shm/0x4301 size=%d\nsysv/shm/0x4302 size=%[1]d\n", memorySize), 0))
	}
	held := map[string]*heldMemory{}
	for _, name := range names {
		if name == "sockets/removed" { // bytes written to a new name make a plain file there
			fd, err := unix.Open(at(name), unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0600)
			check(t, err)
			unix.Close(fd)
		}
		held[name] = holdMemory(t, at(name), strings.HasPrefix(name, "sysv/"))
	}
	for _, m := range held {
		m.locks()
	}
	native := func(name string) string { return "/dev/" + name }
	handles := map[string]unix.FileHandle{}
	for _, name := range names {
		if strings.HasPrefix(name, "shm/") {
			h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, native(name), 0)
			check(t, err)
			handles[name] = h
		}
	}
	shm, err := unix.Open("/dev/shm", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(shm)
	there := func() (list []string) { // as somebody holds it, be it the kernel for the mount
		for name, h := range handles {
			if fd, err := unix.OpenByHandleAt(shm, h, unix.O_PATH); err == nil {
				list = append(list, name)
				unix.Close(fd)
			}
		}
		return list
	}
	check(t, os.Remove(at("shm/removed")))
	check(t, os.Remove(at("shm/sem.removed")))
	check(t, os.Remove(native("shm/unlinked")))
	check(t, os.WriteFile(native("shm/new"), []byte("another"), 0600))
	check(t, os.Rename(native("shm/new"), native("shm/moved")))
	check(t, os.Remove(native("shm/replaced")))
	check(t, os.WriteFile(native("shm/replaced"), []byte("another"), 0600))
	check(t, os.Remove(at("sockets/removed")))
	if held["sysv/shm/0x00004301"] != nil {
		check(t, os.Remove(at("sysv/shm/0x00004301")))
		id, err := unix.SysvShmGet(0x4302, 0, 0)
		check(t, err)
		_, err = unix.SysvShmCtl(id, unix.IPC_RMID, nil)
		check(t, err)
	}
	for round, how := range []string{"", "kill", "kill", "upgrade", "kill", "upgrade"} {
		switch how {
		case "kill":
			_, worker := s.pids()
			check(t, unix.Kill(worker, unix.SIGKILL))
		case "upgrade":
			if out, err := s.upgrade(); err != nil {
				t.Fatal(err, out)
			}
		}
		for _, name := range names {
			held[name].is(round, name)
		}
	}
	for _, name := range []string{"shm/moved", "shm/replaced"} {
		if text, err := os.ReadFile(at(name)); err != nil || string(text) != "another" {
			t.Errorf("%s is %q, %v", name, text, err)
		}
		check(t, os.Remove(at(name)))
	}
	for _, m := range held {
		m.ends()
	}
	if !eventually(patience, func() bool { return kept() <= before && len(there()) == 0 }) {
		t.Errorf("%d descriptors, were %d; there is still %q\n%s", kept(), before, there(), s.tr.logs())
	}
}
