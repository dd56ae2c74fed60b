package keeper

import (
	"fmt"
	"os"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// What a worker finds open.
const (
	linkFd   = 3
	ledgerFd = 4
)

// Post is a worker's side of its keeper.
type Post struct {
	Ledger   *backends.Ledger
	Device   int    // that an earlier worker has mounted; 0: none has
	Restarts int    // how many workers there were
	Last     string // how and when the last one ended; "" if none has crashed

	link *Link
}

// Report is called first by a process that a keeper has started.
func Report() (*Post, error) {
	p := &Post{}
	unix.CloseOnExec(linkFd)
	unix.CloseOnExec(ledgerFd)
	if err := unix.SetNonblock(linkFd, true); err != nil {
		return nil, err
	}
	p.link = &Link{f: os.NewFile(linkFd, "keeper")}
	for gone := false; !gone; {
		m, err := p.link.receive()
		if err != nil {
			return nil, fmt.Errorf("keeper: %w", err)
		}
		switch m.word {
		case "device":
			p.Device = m.fd
		case "go":
			p.Restarts, p.Last, gone = int(m.number), m.text, true
		}
	}
	var err error
	if p.Ledger, err = backends.OpenLedger(ledgerFd); err != nil {
		return nil, err
	}
	_ = unix.Close(ledgerFd)
	go p.hear()
	return p, nil
}

// hear waits for the keeper's end: then nobody would go on after this process either, and it ends as if it had been
// killed.
func (p *Post) hear() {
	for {
		if _, err := p.link.receive(); err != nil {
			os.Exit(1)
		}
	}
}

// Mounted has the keeper keep the device.
func (p *Post) Mounted(device int) error { return p.link.send(message{word: "device", fd: device}) }

// Live tells that the tree is live.
func (p *Post) Live() error { return p.link.send(message{word: "live", fd: -1}) }

// Over tells that the mount has ended, and that this process will, too.
func (p *Post) Over() { _ = p.link.send(message{word: "over", fd: -1}) }
