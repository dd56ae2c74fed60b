package backends

import (
	"os"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Room bounds what users can make the daemon keep on the file system of its state directory, which is /run
// for most and the whole machine's: files, of which each name is one, and bytes. One user may have a
// quarter and all but root half of what is free there and what they have already. A nil Room bounds
// nothing. It is safe for concurrent use; its calls do not wait, but for the file system.
type Room struct {
	Files, Bytes *Budget

	dirs []*Dir

	mu       sync.Mutex
	others   []func(f func(uid uint32, bytes int64)) // see Also
	counting bool
	rested   time.Time // when it may be counted anew
	closed   atomic.Bool
	counts   sync.WaitGroup
}

const (
	maxFiles  = 1 << 16   // of one user, however much is free
	maxBytes  = 256 << 20 // of one user
	textBytes = 4096      // that a file of ours or a directory takes, at most
	// recountPause is how long what is there is not counted anew after it was, or recountPart times as long
	// as that took: a refusal asks for it, and anybody can be refused.
	recountPause = time.Second
	recountPart  = 50
)

// NewRoom counts what is in dirs, which lie on one file system, by owner, and from then on what is made and
// removed in them.
func NewRoom(name string, dirs ...*Dir) *Room {
	r := &Room{dirs: dirs}
	free := func() (s Space) {
		s, _ = dirs[0].Space()
		return s
	}
	r.Files = NewBudget(Terms{Name: "state_files", Of: name, Err: unix.EDQUOT}, func(users int64) Bounds {
		s := free()
		if s.Files == 0 {
			return Bounds{One: maxFiles, All: Unbounded, Root: Unbounded} // made as they are needed (btrfs)
		}
		return shareOf(int64(s.Ffree), users, maxFiles)
	})
	r.Bytes = NewBudget(Terms{Name: "state_bytes", Of: name, Err: unix.EDQUOT}, func(users int64) Bounds {
		s := free()
		return shareOf(int64(s.Bavail)*int64(s.Bsize), users, maxBytes)
	})
	r.Files.TellRefusals(r.recount)
	r.Bytes.TellRefusals(r.recount)
	r.count()
	for _, d := range dirs {
		d.room = r
	}
	return r
}

// shareOf are the bounds where so much is free and users have so much.
func shareOf(free, users, most int64) Bounds {
	all := free + users
	return Bounds{One: min(all/4, most), All: all / 2, Root: Unbounded}
}

// PlainMark is the bit in the mode of a regular file that says that its bytes are a user's, and may be
// PlainBytes. It is the sticky bit, which means nothing to Linux there (inode(7)), and which every file
// system keeps. No other file has it.
const (
	PlainMark  = unix.S_ISVTX
	PlainBytes = 64 << 10
)

// bytesOf is what a file of a mode may take, beside its inode.
func bytesOf(mode uint32) int64 {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		if mode&PlainMark != 0 {
			return PlainBytes
		}
		return textBytes
	case unix.S_IFDIR:
		return textBytes
	}
	return 0
}

// Take counts one more file of a mode for its owner, or refuses with EDQUOT.
func (r *Room) Take(uid, mode uint32) error { return r.TakeBytes(uid, bytesOf(mode)) }

// Give gives back what Take took.
func (r *Room) Give(uid, mode uint32) { r.GiveBytes(uid, bytesOf(mode)) }

// TakeBytes is Take for a file of n bytes.
func (r *Room) TakeBytes(uid uint32, n int64) error {
	if r == nil {
		return nil
	}
	if err := r.Files.Take(uid, 1); err != nil {
		return err
	}
	err := r.Bytes.Take(uid, n)
	if err != nil {
		r.Files.Give(uid, 1)
	}
	return err
}

// AddBytes is TakeBytes without asking, for what is there already.
func (r *Room) AddBytes(uid uint32, n int64) {
	if r == nil {
		return
	}
	r.Files.Add(uid, 1)
	r.Bytes.Add(uid, n)
}

// GiveBytes gives back what TakeBytes took.
func (r *Room) GiveBytes(uid uint32, n int64) {
	if r == nil {
		return
	}
	r.Files.Give(uid, 1)
	r.Bytes.Give(uid, n)
}

// Move has the new owner of a file pay for it.
func (r *Room) Move(from, to, mode uint32) {
	if r == nil || from == to {
		return
	}
	r.Files.Move(from, to, 1)
	r.Bytes.Move(from, to, bytesOf(mode))
}

// Also has counted what each tells of, too: files whose owners do not say who pays for them. It is called
// with no lock held.
func (r *Room) Also(each func(f func(uid uint32, bytes int64))) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.others = append(r.others, each)
}

// making calls f, which makes a file for its owner, if there is room for it.
func (r *Room) making(o Owner, typ uint32, f func() error) error {
	mode := typ | o.Mode&PlainMark
	if err := r.Take(o.Uid, mode); err != nil {
		return err
	}
	err := f()
	if err != nil {
		r.Give(o.Uid, mode)
	}
	return err
}

// unlink is unlinkat(2).
func (r *Room) unlink(dir int, base string, flags int) error {
	if r == nil {
		return unix.Unlinkat(dir, base, flags)
	}
	var was unix.Stat_t
	seen := unix.Fstatat(dir, base, &was, unix.AT_SYMLINK_NOFOLLOW)
	err := unix.Unlinkat(dir, base, flags)
	if err == nil && seen == nil {
		r.Give(was.Uid, was.Mode)
	}
	return err
}

// rename is renameat2(2): what it replaces is gone.
func (r *Room) rename(dir int, base string, todir int, tobase string, flags uint) error {
	if r == nil {
		return unix.Renameat2(dir, base, todir, tobase, flags)
	}
	var from, was unix.Stat_t
	seen := unix.Fstatat(todir, tobase, &was, unix.AT_SYMLINK_NOFOLLOW)
	missing := unix.Fstatat(dir, base, &from, unix.AT_SYMLINK_NOFOLLOW)
	err := unix.Renameat2(dir, base, todir, tobase, flags)
	if err == nil && seen == nil && missing == nil && was.Ino != from.Ino && flags&unix.RENAME_EXCHANGE == 0 {
		r.Give(was.Uid, was.Mode)
	}
	return err
}

// link calls f, which gives the file at base in dir one more name: its owner pays for that, as on tmpfs it
// takes as much as a file.
func (r *Room) link(dir int, base string, f func() error) error {
	var st unix.Stat_t
	if r == nil || unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH) != nil {
		return f()
	}
	return r.making(Owner{Uid: st.Uid}, st.Mode, f)
}

// changing calls f, which may give the file open at fd to another owner.
func (r *Room) changing(fd int, c Change, f func() error) error {
	if r == nil || c.Uid == nil {
		return f()
	}
	was, seen := Fstat(fd)
	err := f()
	if err == nil && seen == nil {
		r.Move(was.Uid, *c.Uid, was.Mode)
	}
	return err
}

// recount counts what is there in the background, as others than the daemon may have removed some of it. It
// rests between two counts, so that those who are refused all the time do not keep it busy.
func (r *Room) recount() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.counting || r.closed.Load() || time.Now().Before(r.rested) {
		return
	}
	r.counting = true
	r.counts.Go(func() {
		began := time.Now()
		r.count()
		now := time.Now()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counting, r.rested = false, now.Add(max(recountPause, recountPart*now.Sub(began)))
	})
}

// count makes what is there what is counted.
func (r *Room) count() {
	r.Files.counting()
	r.Bytes.counting()
	files, bytes := map[uint32]int64{}, map[uint32]int64{}
	for _, d := range r.dirs {
		d.walk(func(st *unix.Stat_t) bool {
			files[st.Uid]++
			bytes[st.Uid] += bytesOf(st.Mode)
			return !r.closed.Load()
		})
	}
	r.mu.Lock()
	others := r.others
	r.mu.Unlock()
	for _, each := range others {
		each(func(uid uint32, n int64) {
			files[uid]++
			bytes[uid] += n
		})
	}
	r.Files.counted(files)
	r.Bytes.counted(bytes)
}

// Limits are its lines in /ctl/limits. Whoever looks has what is there counted anew for the next look.
func (r *Room) Limits() []Limit {
	r.recount()
	return append(r.Files.Limits(), r.Bytes.Limits()...)
}

// Close ends a count that goes on.
func (r *Room) Close() error {
	r.mu.Lock()
	r.closed.Store(true) // none begins from here on
	r.mu.Unlock()
	r.counts.Wait()
	return nil
}

// walk calls f for all that is below the directory, until it answers false. What cannot be looked at, as it
// is gone, is left out.
func (d *Dir) walk(f func(*unix.Stat_t) bool) {
	for left := []string{""}; len(left) > 0; {
		at := left[len(left)-1]
		left = left[:len(left)-1]
		fd, err := OpenBeneath(d.fd, dot(at), unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			continue
		}
		dir := os.NewFile(uintptr(fd), at)
		for {
			names, err := dir.Readdirnames(1024)
			for _, name := range names {
				var st unix.Stat_t
				if unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
					continue
				}
				if !f(&st) {
					left, err = nil, os.ErrClosed
					break
				}
				if st.Mode&unix.S_IFMT == unix.S_IFDIR {
					left = append(left, path.Join(at, name))
				}
			}
			if err != nil {
				break
			}
		}
		_ = dir.Close()
	}
}
