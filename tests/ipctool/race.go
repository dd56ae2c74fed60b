package ipctool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The two users of a race, and what shows whose an object is: a message or a
// content of the victim's, and one of the attacker's.
const (
	victim, attacker = 1000, 1001
	secret, evil     = "SECRET", "EVIL"
)

// raceCommand lets an attacker open every face of a name ATTEMPTS times, while the name leads now to an
// object of the attacker's own, 0666, and now to one of the victim's, 0600, both in a directory that both may
// write. WAY is how that is done: tree and native exchange the objects (renameat2(2)) through the tree or
// natively, dir exchanges the directories that they are in (0755 and 0700, and the objects 0666), new removes
// and makes them. It prints how many attempts there were, how often the attacker had the object of their own
// and was refused, and three numbers: how often they got what is the victim's (stolen), put something in
// (sent), and changed it (changed). It fails if one of these is not 0.
func raceCommand(args []string) error {
	if len(args) != 4 {
		return errUsage
	}
	attempts, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	kind, ok := racers[args[1]]
	if !ok {
		return errUsage
	}
	r := &race{mnt: args[0], way: args[2], kind: kind}
	if r.kind.swap == nil {
		r.dir, r.name = kind.class+"/pool", "m"
		if err := r.stage(); err != nil {
			return err
		}
	} else {
		r.dir, r.name = kind.class, kind.name
		r.swap = func() error { return kind.swap(r) }
	}
	if err := r.run(attempts); err != nil {
		return err
	}
	fmt.Printf("attempts=%d own=%d refused=%d stolen=%d sent=%d changed=%d\n",
		attempts, r.own.Load(), r.refused.Load(), r.stolen.Load(), r.sent.Load(), r.changed.Load())
	if r.stolen.Load()+r.sent.Load()+r.changed.Load() > 0 {
		return errors.New("the attacker reached what is the victim's: " + strings.Join(r.how, ", "))
	}
	return nil
}

// A race is one that is under way.
type race struct {
	mnt, way string
	kind     racer
	dir      string // in the tree, where the name is
	name     string
	swap     func() error
	check    func() error // of the victim's object, when all is over

	own, refused, stolen, sent, changed atomic.Int64

	mu  sync.Mutex
	how []string
}

// found notes a success of the attacker's.
func (r *race) found(count *atomic.Int64, how string) {
	if count.Add(1) <= 3 {
		r.mu.Lock()
		r.how = append(r.how, how)
		r.mu.Unlock()
	}
}

// stage makes the two objects and the directories that they are in.
func (r *race) stage() error {
	pool := filepath.Join(r.mnt, r.dir)
	unix.Umask(0)
	if err := os.Mkdir(pool, 0777); err != nil {
		return err
	}
	for name, uid := range map[string]int{"m": attacker, "n": victim} {
		mode := map[int]uint32{attacker: 0666, victim: 0600}[uid]
		err := asUser(uid, func() error {
			path := r.dir + "/" + name
			if r.way == "dir" {
				if err := unix.Mkdir(filepath.Join(r.mnt, path), 0700|mode&0055|mode>>2&0011); err != nil {
					return err
				}
				path, mode = path+"/x", 0666
			}
			check, err := r.kind.make(r, path, mode, uid == victim)
			if uid == victim {
				r.check = check
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("making that of %d: %w", uid, err)
		}
	}
	if r.way == "dir" {
		r.name = "m/x"
	}
	if r.way == "native" {
		pool = "/dev/shm/pool"
	}
	m, n := filepath.Join(pool, "m"), filepath.Join(pool, "n")
	r.swap = func() error { return unix.Renameat2(unix.AT_FDCWD, m, unix.AT_FDCWD, n, unix.RENAME_EXCHANGE) }
	return nil
}

// victims is the path at which the victim's object is now.
func (r *race) victims() (string, error) {
	for _, name := range []string{"m", "n"} {
		path := filepath.Join(r.mnt, r.dir, name)
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err == nil && st.Uid == victim {
			if r.way == "dir" {
				path += "/x"
			}
			return path, nil
		}
	}
	return "", errors.New("the victim's object is gone")
}

// run attacks while another thread exchanges the objects, and then looks at what became of the victim's.
func (r *race) run(attempts int) error {
	faces, err := r.faces()
	if err != nil {
		return err
	}
	stop, ended := make(chan struct{}), make(chan error, 4)
	swap := func() error {
		for {
			select {
			case <-stop:
				return nil
			default:
			}
			if err := r.swap(); err != nil {
				return fmt.Errorf("exchanging: %w", err)
			}
		}
	}
	if r.kind.swap == nil {
		go func() { ended <- asUser(attacker, swap) }()
	} else {
		go func() { ended <- asRoot(swap) }()
	}
	var next atomic.Int64
	var attackers sync.WaitGroup
	for range 2 {
		attackers.Go(func() {
			err := asUser(attacker, func() error {
				for i := int(next.Add(1)); i <= attempts; i = int(next.Add(1)) {
					r.attack(faces[i%len(faces)], i/len(faces))
				}
				return nil
			})
			if err != nil {
				r.found(&r.changed, "attacker: "+err.Error())
			}
		})
	}
	attackers.Wait()
	close(stop)
	if err := <-ended; err != nil || r.check == nil {
		return err
	}
	return asUser(victim, r.check)
}

// faces are the paths by which the name can be opened.
func (r *race) faces() ([]string, error) {
	about := filepath.Join(r.mnt, "ctl", r.dir, r.name)
	faces := []string{filepath.Join(r.mnt, r.dir, r.name)}
	if r.kind.swap != nil { // the name comes and goes: take what is known to be there
		for _, f := range r.kind.more {
			faces = append(faces, filepath.Join(about, f))
		}
		return faces, nil
	}
	list, err := os.ReadDir(about)
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		faces = append(faces, filepath.Join(about, f.Name()))
	}
	for _, f := range r.kind.more {
		faces = append(faces, filepath.Join(about, f))
	}
	return faces, nil
}

// attack tries one thing with one face: by its path, or by the file or the
// directory that the path led to a moment ago.
func (r *race) attack(path string, turn int) {
	data := !strings.HasPrefix(path, filepath.Join(r.mnt, "ctl")+"/")
	command := filepath.Base(path) == "ctl"
	var err error
	if held := turn / 8 % 3; held > 0 {
		flags, rest := unix.O_PATH|unix.O_CLOEXEC, ""
		if held == 2 {
			path, rest = filepath.Split(path)
		}
		fd, err := unix.Open(path, flags, 0)
		if err != nil {
			return
		}
		defer unix.Close(fd)
		unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		path = strings.TrimSuffix(fmt.Sprintf("/proc/self/fd/%d/%s", fd, rest), "/")
	}
	switch what := turn % 4; {
	case what == 0:
		err = r.read(path)
	case what == 1:
		text := evil + "\n"
		if command {
			text = "set mode=0666\n"
		}
		err = write(path, unix.O_WRONLY|unix.O_NONBLOCK, text)
	case what == 2 && data:
		err = unix.Chmod(path, 0666)
	case what == 2:
		err = r.read(path)
	case data && turn%8 == 3:
		err = unix.Truncate(path, 3)
	default:
		var st unix.Stat_t
		if err = unix.Stat(path, &st); err == nil && r.way == "dir" && st.Uid == victim {
			r.found(&r.stolen, "stat "+path)
		}
	}
	switch err {
	case nil, unix.EAGAIN:
		r.own.Add(1)
	case unix.EACCES, unix.EPERM:
		r.refused.Add(1)
	}
}

// read looks for what is the victim's.
func (r *race) read(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var buf [4096]byte
	for range 2 {
		n, err := unix.Read(fd, buf[:])
		if n <= 0 {
			return err
		}
		if bytes.Contains(buf[:n], []byte(secret)) ||
			r.way == "dir" && bytes.Contains(buf[:n], fmt.Appendf(nil, "uid=%d", victim)) {
			r.found(&r.stolen, "read "+path)
		}
	}
	return nil
}

func write(path string, flags int, text string) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	_, err = unix.Write(fd, []byte(text))
	return err
}

// asUser calls f on a thread that is another user's and ends after it.
func asUser(id int, f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		err := becomeOn(id, nil)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// asRoot calls f on a thread of root's, which may become anybody's for a while and ends after it.
func asRoot(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}
