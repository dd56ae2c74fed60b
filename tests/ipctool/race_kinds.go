package ipctool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// racer is a class of objects as raceCommand needs it. make makes an object at a path in the tree, in the
// name of the calling thread; the victim's has a secret in it, and its check, which runs as the victim,
// tells what happened to it. Classes whose names cannot be exchanged have swap instead, which makes and
// removes both, one after the other, and checks the victim's each time.
type racer struct {
	class, name string
	more        []string // faces that are not listed
	make        func(r *race, path string, mode uint32, secret bool) (check func() error, err error)
	swap        func(r *race) error
}

var racers = map[string]racer{
	"shm":   {class: "shm", make: makeShm},
	"fifos": {class: "fifos", make: makeFifo},
	"topics": {
		class: "topics", make: makeTopic,
		more: []string{"since/0", "lines@0", "records@0", "group/g", "../all"},
	},
	"sockets": {class: "sockets", make: makeSocket},
	"plain":   {class: "sockets", make: makeShm}, // what O_EXCL makes there
	"bound":   {class: "sockets", make: makeBound},
	"queues": {class: "queues", name: "racem", swap: swapQueue,
		more: []string{"next", "drain", "lines", "records", "prio/7", "lease", "status", "ctl", "err"}},
	"sysv": {class: "sysv/queues", name: "0x00004242", swap: swapSysV,
		more: []string{"next", "drain", "lines", "records", "type/1", "peek/0", "status", "ctl", "err"}},
	"segments": {class: "sysv/shm", name: "0x00004243", swap: swapSegment, more: []string{"status", "ctl", "err"}},
}

// mode tells if the victim's object has the mode and owner it was made with.
func (r *race) mode(mode uint32) (path string, err error) {
	if path, err = r.victims(); err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", err
	}
	if st.Uid != victim || st.Mode&07777 != mode {
		r.found(&r.changed, fmt.Sprintf("the victim's object is now %d's, mode %o", st.Uid, st.Mode&07777))
	}
	return path, nil
}

// holds tells if what was read of the victim's object is the secret, and no more.
func (r *race) holds(what string) {
	if !strings.Contains(what, secret) {
		r.found(&r.stolen, fmt.Sprintf("the victim has %q", what))
	}
	if strings.Contains(what, evil) {
		r.found(&r.sent, fmt.Sprintf("the victim has %q", what))
	}
}

func (r *race) put(path string, mode uint32, text string) error {
	fd, err := unix.Open(filepath.Join(r.mnt, path), unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if text != "" {
		_, err = unix.Write(fd, []byte(text))
	}
	return err
}

func makeShm(r *race, path string, mode uint32, ours bool) (func() error, error) {
	text := map[bool]string{true: secret, false: "own"}[ours]
	return func() error {
		path, err := r.mode(mode)
		if err != nil {
			return err
		}
		got, err := os.ReadFile(path)
		r.holds(string(got))
		if string(got) != secret {
			r.found(&r.changed, fmt.Sprintf("content %q", got))
		}
		return err
	}, r.put(path, mode, text)
}

func makeFifo(r *race, path string, mode uint32, ours bool) (func() error, error) {
	path = filepath.Join(r.mnt, path)
	if err := unix.Mkfifo(path, mode); err != nil {
		return nil, err
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil && ours {
		_, err = unix.Write(fd, []byte(secret))
	}
	return func() error {
		if _, err := r.mode(mode); err != nil {
			return err
		}
		var buf [65536]byte
		n, _ := unix.Read(fd, buf[:])
		r.holds(string(buf[:max(n, 0)]))
		return nil
	}, err
}

func makeTopic(r *race, path string, mode uint32, ours bool) (func() error, error) {
	err := r.put(path, mode, "")
	if err == nil {
		err = write(filepath.Join(r.mnt, "ctl", path, "ctl"), unix.O_WRONLY, "set keep=1000")
	}
	if err == nil && ours {
		err = write(filepath.Join(r.mnt, path), unix.O_WRONLY, secret)
	}
	return func() error {
		path, err := r.mode(mode)
		if err != nil {
			return err
		}
		about := strings.Replace(path, r.mnt, r.mnt+"/ctl", 1)
		fd, err := unix.Open(about+"/since/0", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		var all []byte
		for buf := make([]byte, 4096); ; {
			n, err := unix.Read(fd, buf)
			if n <= 0 || err != nil {
				break
			}
			all = append(all, buf[:n]...)
		}
		r.holds(string(all))
		settings, err := os.ReadFile(about + "/ctl")
		if !strings.Contains(string(settings), "keep=1000") {
			r.found(&r.changed, string(settings))
		}
		return err
	}, err
}

// makeSocket makes a socket that ipcfs listens on. A call waits at the victim's.
func makeSocket(r *race, path string, mode uint32, ours bool) (func() error, error) {
	fd, err := unix.Open(filepath.Join(r.mnt, path),
		unix.O_WRONLY|unix.O_CREAT|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
	if err == nil {
		err = unix.Close(fd)
	}
	if err == nil && ours {
		err = write(filepath.Join(r.mnt, path), unix.O_WRONLY, secret)
	}
	return func() error {
		path, err := r.mode(mode)
		if err != nil {
			return err
		}
		var all []byte
		for calls := 0; ; calls++ {
			fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			if err == unix.EAGAIN {
				if calls > 1 {
					r.found(&r.sent, fmt.Sprint(calls, " calls"))
				}
				break
			}
			if err != nil {
				return err
			}
			var buf [256]byte
			n, _ := unix.Read(fd, buf[:])
			all = append(all, buf[:max(n, 0)]...)
			unix.Close(fd)
		}
		r.holds(string(all))
		return nil
	}, err
}

// makeBound binds a socket. Nobody is to call the victim's.
func makeBound(r *race, path string, mode uint32, ours bool) (func() error, error) {
	path = filepath.Join(r.mnt, path)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrUnix{Name: path})
	}
	if err == nil {
		err = unix.Chmod(path, mode)
	}
	if err == nil {
		err = unix.Listen(fd, 4096)
	}
	return func() error {
		if _, err := r.mode(mode); err != nil {
			return err
		}
		if call, _, err := unix.Accept(fd); err == nil {
			unix.Close(call)
			r.found(&r.sent, "a call of the victim's server")
		}
		return nil
	}, err
}

// by calls f with the effective user id of somebody else, on a thread of root's.
func by(id int, f func() error) error {
	const same = ^uintptr(0)
	for _, call := range [][2]uintptr{{unix.SYS_SETRESGID, uintptr(id)}, {unix.SYS_SETRESUID, uintptr(id)}} {
		if _, _, errno := unix.RawSyscall(call[0], same, call[1], same); errno != 0 {
			return errno
		}
	}
	err := f()
	for _, call := range []uintptr{unix.SYS_SETRESUID, unix.SYS_SETRESGID} {
		if _, _, errno := unix.RawSyscall(call, same, 0, same); errno != 0 {
			return errno
		}
	}
	return err
}

// swapQueue makes and removes the victim's queue and then the attacker's, by mq_open(3) and mq_unlink(3).
func swapQueue(r *race) error {
	turn := func(id int, mode uint32, ours bool) error {
		return by(id, func() error {
			unix.Umask(int(0777 &^ mode)) // nobody else makes anything meanwhile
			fd, err := mqOpen(r.name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NONBLOCK,
				&mqAttr{maxmsg: 4, msgsize: 64})
			if err != nil {
				return err
			}
			defer unix.Close(fd)
			if ours {
				if err := mqSend(fd, []byte(secret), 0); err != nil {
					return err
				}
			}
			for range 20 {
				unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			}
			if ours {
				var all []byte
				for buf := make([]byte, 64); ; {
					n, _, err := mqReceive(fd, buf)
					if err != nil {
						break
					}
					all = append(all, buf[:n]...)
				}
				r.holds(string(all))
				var st unix.Stat_t
				if err := unix.Fstat(fd, &st); err != nil || st.Mode&0777 != mode {
					r.found(&r.changed, fmt.Sprintf("mode %o", st.Mode))
				}
			}
			return MqUnlink(r.name)
		})
	}
	if err := turn(victim, 0600, true); err != nil {
		return err
	}
	return turn(attacker, 0666, false)
}

// swapSysV does the same by msgget(2) and msgctl(2).
func swapSysV(r *race) error {
	const key = 0x4242
	turn := func(id int, mode int, ours bool) error {
		return by(id, func() error {
			q, err := msgget(key, unix.IPC_CREAT|unix.IPC_EXCL|mode)
			if err != nil {
				return err
			}
			if ours {
				if err := msgsnd(q, 1, secret); err != nil {
					return err
				}
			}
			for range 20 {
				unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			}
			if ours {
				var all []byte
				for {
					_, text, err := msgrcv(q, 0, unix.IPC_NOWAIT)
					if err != nil {
						break
					}
					all = append(all, text...)
				}
				r.holds(string(all))
			}
			_, _, errno := unix.Syscall(unix.SYS_MSGCTL, uintptr(q), unix.IPC_RMID, 0)
			return errnoErr(errno)
		})
	}
	if err := turn(victim, 0600, true); err != nil {
		return err
	}
	return turn(attacker, 0666, false)
}

// swapSegment does the same by shmget(2), shmat(2) and shmctl(2).
func swapSegment(r *race) error {
	const key, size = 0x4243, 4096
	turn := func(id, mode int, text string) error {
		return by(id, func() error {
			seg, _, errno := unix.Syscall(unix.SYS_SHMGET, key, size, uintptr(unix.IPC_CREAT|unix.IPC_EXCL|mode))
			if errno != 0 {
				return errno
			}
			at, err := unix.SysvShmAttach(int(seg), 0, 0)
			if err != nil {
				return err
			}
			copy(at, text)
			for range 20 {
				unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
			}
			if text == secret {
				r.holds(string(at))
				var is unix.SysvShmDesc
				if _, err := unix.SysvShmCtl(int(seg), unix.IPC_STAT, &is); err != nil || int(is.Perm.Mode)&0777 != mode {
					r.found(&r.changed, fmt.Sprintf("mode %o", is.Perm.Mode))
				}
			}
			_, err = unix.SysvShmCtl(int(seg), unix.IPC_RMID, nil)
			return errors.Join(err, unix.SysvShmDetach(at))
		})
	}
	if err := turn(victim, 0600, secret); err != nil {
		return err
	}
	return turn(attacker, 0666, "own")
}
