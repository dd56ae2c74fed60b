package keeper

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// What a worker finds open.
const (
	linkFd    = 3 // which is to be closed when the process ends
	ledgerFd  = 4
	errFd     = 5 // stderr of one that serves
	programFd = 6 // what it runs, which stays open, as a script is read after execve(2)
	boxFd     = 7 // what it has the keeper keep
)

// Post is a worker's side of its keeper.
type Post struct {
	Ledger   *backends.Ledger
	Device   int           // that an earlier worker has mounted; 0: none has
	Restarts int           // how many workers have crashed
	Last     string        // how and when the last one did; "" if none has
	Leave    chan struct{} // is closed when another worker is to go on with the mount

	link     *Link
	safe     *safe
	upgrades atomic.Pointer[message]
	begun    atomic.Uint64 // how many upgrades have begun

	mu     sync.Mutex
	louder func(slog.Level) // nil: nobody is told yet
	level  *slog.Level      // the last one that was told; nil: none was
}

// dieFirst has the kernel kill this process before its keeper where there is no memory left
// (proc_pid_oom_score_adj(5)): it can be made again. Where that cannot be said it is left to the kernel.
func dieFirst() {
	const path, most = "/proc/self/oom_score_adj", 1000
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	if now, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		_ = os.WriteFile(path, []byte(strconv.Itoa(min(now+100, most))), 0)
	}
}

// Report is called first by a process that a keeper has started, a program of this version, whose records
// have this form (backends.Ledger.Fits). It returns when the process is to go on with the mount, or to make
// it.
func Report(version string, form uint64) (*Post, error) {
	p := &Post{Leave: make(chan struct{})}
	dieFirst()
	for _, fd := range []int{linkFd, ledgerFd, errFd, programFd, boxFd} {
		unix.CloseOnExec(fd)
	}
	if err := unix.SetNonblock(linkFd, true); err != nil {
		return nil, err
	}
	p.link = &Link{f: os.NewFile(linkFd, "keeper")}
	p.safe = &safe{link: p.link, box: boxAt(boxFd), left: map[uint64]int{}}
	var err error
	if p.Ledger, err = backends.OpenLedger(ledgerFd); err != nil {
		return nil, err
	}
	if !p.Ledger.Fits(form) {
		return nil, backends.ErrLedger
	}
	_ = unix.Close(ledgerFd)
	self, err := openProgram("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer self.Close()
	err = p.link.send(message{word: "ready", number: linkVersion, text: version, fd: int(self.Fd())})
	if err != nil {
		return nil, err
	}
	for gone := false; !gone; {
		m, err := p.link.receive()
		if err != nil {
			return nil, fmt.Errorf("keeper: %w", err)
		}
		switch m.word {
		case "device":
			p.Device = m.fd
		case "kept":
			maps.Copy(p.safe.left, m.kept())
		case "go":
			p.Restarts, p.Last, gone = int(m.number), m.text, true
		default:
			p.heed(m)
		}
	}
	if err := unix.Dup3(errFd, 2, 0); err != nil {
		return nil, fmt.Errorf("stderr: %w", err)
	}
	_ = unix.Close(errFd)
	go p.hear()
	return p, nil
}

// hear heeds the keeper until its end: then nobody would go on after this process either, and it ends as if
// it had been killed.
func (p *Post) hear() {
	for {
		m, err := p.link.receive()
		if err != nil {
			os.Exit(1)
		}
		p.heed(m)
	}
}

func (p *Post) heed(m message) {
	switch m.word {
	case "leave":
		select {
		case <-p.Leave: // it was told already, for an upgrade that has failed since
		default:
			close(p.Leave)
		}
	case "dropped":
		p.safe.dropped(m.number)
	case "begun":
		p.begun.Store(m.number)
	case "upgrade":
		p.upgrades.Store(&m)
	case "level":
		p.mu.Lock()
		defer p.mu.Unlock()
		level := slog.Level(int64(m.number))
		if p.level = &level; p.louder != nil {
			p.louder(level)
		}
	}
}

// Louder has f called with the level that the log is to have, now and when the keeper is told another one.
func (p *Post) Louder(f func(slog.Level)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.louder = f; p.level != nil {
		f(*p.level)
	}
}

// Descriptor is the link's. The process has ended for its keeper when nobody has that any more.
func (*Post) Descriptor() int { return linkFd }

// Safe is where descriptors outlive this process.
func (p *Post) Safe() backends.Safe { return p.safe }

// Upgrades are how many upgrades there were, and how and when the last one ended.
func (p *Post) Upgrades() (int, string) {
	m := p.upgrades.Load()
	if m == nil {
		return 0, ""
	}
	return int(m.number), m.text
}

// Begun are how many upgrades have begun, as far as the keeper has told: one of before tells nothing. Read it
// behind Upgrades.
func (p *Post) Begun() int { return int(p.begun.Load()) }

// Mounted has the keeper keep the device of a connection; 0: which one is not known.
func (p *Post) Mounted(device, connection int) error {
	return p.link.send(message{word: "device", number: uint64(connection), fd: device})
}

// Live tells that the tree is live.
func (p *Post) Live() error { return p.link.send(message{word: "live", fd: -1}) }

// Alone tells that no other worker can go on with the mount, and why.
func (p *Post) Alone(why error) {
	_ = p.link.send(message{word: "alone", text: why.Error(), fd: -1})
}

// Failed tells why this process cannot go on.
func (p *Post) Failed(why error) {
	_ = p.link.send(message{word: "failed", text: why.Error(), fd: -1})
}

// Over tells that the mount has ended, and that this process will, too.
func (p *Post) Over() { _ = p.link.send(message{word: "over", fd: -1}) }
