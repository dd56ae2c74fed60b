package nodes

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
)

// SysV is /sysv: System V message queues (sysvipc(7)), in queues by their keys as ipcs(1) prints them, 0x00004101, and in queues/private
// by their ids those that have none (IPC_PRIVATE). A shorter way to write a key, 0x4101, leads to the same queue.
type SysV struct {
	env  *Env
	back *backends.SysV
}

// NewSysV shows the queues of back.
func NewSysV(env *Env, back *backends.SysV) *SysV { return &SysV{env, back} }

// sysvDirs are the directories there are.
var sysvDirs = map[string]struct {
	mode uint32
	ino  uint64
}{"": {0755, 1}, "queues": {0777, 2}, "queues/private": {0777, 3}}

// Message is Class.Message.
func (*SysV) Message(a Attr) bool { return a.Type() == syscall.S_IFREG }

// keyOf is the key that a path names; false if it names none.
func keyOf(path string) (uint32, bool) {
	digits, ok := strings.CutPrefix(path, "queues/0x")
	key, err := strconv.ParseUint(digits, 16, 32)
	return uint32(key), ok && err == nil
}

// find tells of the queue at path.
func (s *SysV) find(path string) (backends.MsqInfo, error) {
	if key, ok := keyOf(path); ok {
		id, err := s.back.Find(key)
		if err != nil {
			return backends.MsqInfo{}, err
		}
		return s.back.Stat(id)
	}
	digits, ok := strings.CutPrefix(path, "queues/private/")
	id, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || digits != strconv.Itoa(int(id)) {
		return backends.MsqInfo{}, syscall.ENOENT
	}
	info, err := s.back.Stat(int(id))
	if err == nil && info.Key != 0 {
		err = syscall.ENOENT // it has a name of its own
	}
	return info, err
}

// Name is Namer.Name.
func (*SysV) Name(path string) string {
	if key, ok := keyOf(path); ok {
		return "queues/" + keyName(key)
	}
	return path
}

func keyName(key uint32) string { return fmt.Sprintf("0x%08x", key) }

// Stat is Class.Stat.
func (s *SysV) Stat(path string) (Attr, error) {
	if d, ok := sysvDirs[path]; ok {
		a := ourDir(d.mode, time.Time{})
		a.Ino = d.ino
		return a, nil
	}
	info, err := s.find(path)
	return info.Attr(), err
}

// List is Class.List.
func (s *SysV) List(dir string) ([]Entry, error) {
	if dir == "" {
		return []Entry{{Name: "queues", Type: syscall.S_IFDIR}}, nil
	}
	all, err := s.back.List()
	if err != nil {
		return nil, err
	}
	var list []Entry
	if dir == "queues" {
		list = append(list, Entry{Name: "private", Type: syscall.S_IFDIR})
	}
	for _, i := range all {
		switch {
		case dir == "queues" && i.Key != 0:
			list = append(list, Entry{Name: keyName(i.Key), Type: syscall.S_IFREG})
		case dir == "queues/private" && i.Key == 0:
			list = append(list, Entry{Name: strconv.Itoa(i.ID), Type: syscall.S_IFREG})
		}
	}
	return list, nil
}

// Create makes a queue with a key.
func (s *SysV) Create(path string, o Owner, _ bool) error {
	key, ok := keyOf(path)
	refuse := func(errno syscall.Errno, advice string) error {
		return &Error{Op: "create", Path: "sysv/" + path, Errno: errno, Advice: advice}
	}
	switch {
	case !strings.HasPrefix(path, "queues/"):
		return syscall.EPERM
	case !ok && strings.HasPrefix(path, "queues/private/"), ok && key == 0:
		return refuse(syscall.EINVAL, "queues without a key (IPC_PRIVATE) get their ids from the kernel: a program makes one with msgget(2)")
	case !ok:
		return refuse(syscall.EINVAL, "a queue's name is its key as ipcs prints it, 0x and up to eight digits: 0x00004101, or 0x4101")
	}
	err := s.back.Create(key, o)
	if errors.Is(err, syscall.ENOSPC) {
		_, _, msgmni, _ := s.back.Limits()
		return refuse(syscall.ENOSPC, fmt.Sprintf("kernel.msgmni, the queues of this ipc namespace, is reached: remove queues"+
			" (ipcs -q, ipcrm) or raise it (sysctl kernel.msgmni=%d)", 2*msgmni))
	}
	return err
}

// New is Newer.New: a queue with qbytes.
func (s *SysV) New(path string, o Owner, c Command) error {
	if err := c.Only("mode", "qbytes"); err != nil {
		return err
	}
	// What would be refused later is refused before there is a queue.
	if _, err := s.qbytes(path, c, 0, Caller{Uid: o.Uid}); err != nil {
		return err
	}
	if err := s.Create(path, o, true); err != nil {
		return err
	}
	err := s.resize(path, c, Caller{Uid: o.Uid})
	if err != nil {
		_ = s.Remove(path) // nothing half-made stays behind
	}
	return err
}

// Open opens the data face: a write sends type 1, a read receives whatever is first.
func (s *SysV) Open(path string, flags int, by Caller) (Open, error) {
	return s.open(path, flags, by, backends.Select{}, &Plain{})
}

func (s *SysV) open(path string, flags int, by Caller, sel backends.Select, face Face) (Open, error) {
	if _, ok := face.(readOnlyFace); ok && writes(flags) {
		return nil, syscall.EACCES
	}
	info, err := s.find(path)
	if err != nil {
		return nil, err
	}
	one, err := s.back.Open(info.ID, sel)
	if err != nil {
		return nil, err
	}
	tooLong := func() string { return s.tooLong(info.ID) }
	return s.env.File(&queueFace{wrapped: wrapped{face}, path: "sysv/" + s.Name(path), ends: one.Ends(), tooLong: tooLong}, one, flags, by), nil
}

// tooLong is what to do about a message that is.
func (s *SysV) tooLong(id int) string {
	msgmax, _, _, _ := s.back.Limits()
	info, err := s.back.Stat(id)
	if err == nil && info.Qbytes < msgmax {
		return fmt.Sprintf("the message is longer than the whole queue, qbytes=%d: send less, or echo 'resize qbytes=N' > ctl of the queue",
			info.Qbytes)
	}
	return fmt.Sprintf("the message is longer than kernel.msgmax, %d: send less, or raise it (sysctl kernel.msgmax=%d)", msgmax, 2*msgmax)
}

// Remove is Remover.Remove: who waits for the queue gets EIDRM.
func (s *SysV) Remove(path string) error {
	info, err := s.find(path)
	if err != nil {
		return err
	}
	return s.back.Remove(info.ID)
}

// Change is Changer.Change. Truncating a queue keeps its messages.
func (s *SysV) Change(path string, c Change) error {
	info, err := s.find(path)
	if err != nil {
		return err
	}
	return s.back.Change(info.ID, c)
}

// Settings is Settler.Settings.
func (s *SysV) Settings(path string) ([]Command, error) {
	info, err := s.find(path)
	return []Command{{"resize", []Option{{"qbytes", strconv.Itoa(info.Qbytes)}}}}, err
}

// Do is Settler.Do: eof, drain, resize.
func (s *SysV) Do(path string, c Command, by Caller) error {
	if c.Verb == "resize" {
		if err := c.Only("qbytes"); err != nil {
			return err
		}
		return s.resize(path, c, by)
	}
	info, err := s.find(path)
	if err != nil {
		return err
	}
	one, err := s.back.Open(info.ID, backends.Select{})
	if err != nil {
		return err
	}
	defer one.Close()
	if err := c.Only(); err != nil {
		return err
	}
	switch c.Verb {
	case "eof":
		one.EndReaders()
		return nil
	case "drain":
		return drain(one)
	}
	return fmt.Errorf("unknown command %s; a System V queue knows set, eof, drain, resize", c.Verb)
}

// resize sets qbytes, if the command has it.
func (s *SysV) resize(path string, c Command, by Caller) error {
	info, err := s.find(path)
	if err != nil {
		return err
	}
	n, err := s.qbytes(path, c, info.Qbytes, by)
	if err != nil || n == info.Qbytes {
		return err
	}
	err = s.back.Resize(info.ID, n)
	if errors.Is(err, syscall.EPERM) {
		return s.tooMany(path, n)
	}
	return err
}

// qbytes is that option, or what it is now. More than kernel.msgmnb is for those with CAP_SYS_RESOURCE: the daemon may have it, and must
// not lend it.
func (s *SysV) qbytes(path string, c Command, now int, by Caller) (int, error) {
	n, err := c.Int("qbytes", now, 0)
	if err != nil {
		return 0, err
	}
	if _, msgmnb, _, err := s.back.Limits(); err != nil || n != now && n > msgmnb && by.Uid != 0 {
		return 0, s.tooMany(path, n)
	}
	return n, nil
}

func (s *SysV) tooMany(path string, qbytes int) error {
	_, msgmnb, _, _ := s.back.Limits()
	return &Error{Op: "resize", Path: "sysv/" + s.Name(path), Errno: syscall.EPERM,
		Advice: fmt.Sprintf("qbytes above kernel.msgmnb, %d, takes CAP_SYS_RESOURCE: raise that (sysctl kernel.msgmnb=%d), or have root do it",
			msgmnb, qbytes)}
}

// Report is Reporter.Report, in the kernel's words (msgctl(2)).
func (s *SysV) Report(path string) ([]Fact, error) {
	i, err := s.find(path)
	if err != nil {
		return nil, err
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.RFC3339)
	}
	facts := append([]Fact{{"key", keyName(i.Key)}, {"id", ID(i.ID)}}, owned(i.Attr())...)
	facts = append(facts,
		Fact{"cuid", ID(i.Cuid)}, Fact{"cgid", ID(i.Cgid)},
		Fact{"cbytes", i.Cbytes}, Fact{"qnum", i.Qnum}, Fact{"qbytes", i.Qbytes},
		Fact{"lspid", ID(i.Lspid)}, Fact{"lrpid", ID(i.Lrpid)},
		Fact{"stime", at(i.Stime)}, Fact{"rtime", at(i.Rtime)}, Fact{"ctime", at(i.Ctime)})
	var ends []backends.Waiter
	for _, m := range s.back.Users(i.ID) {
		ends = append(ends, m)
	}
	return append(facts, s.env.Users(ends...)...), nil
}
