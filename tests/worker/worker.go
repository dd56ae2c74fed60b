// Package worker is a daemon that hands its mount over to another worker, for tests.
package worker

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"golang.org/x/sys/unix"
)

// Main serves a tree, as the daemon does: MOUNTPOINT STATE DIR [resume]. When a byte on descriptor 3, a
// socket, tells it that another worker is to go on with its mount, it writes what it knows to DIR/tables and
// DIR/session, sends the device over the socket, and ends. One that is started with "resume" goes on from
// these files, with the device as descriptor 4. It writes a byte to the socket when it is live.
func Main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, os.Args[0]+":", err)
		os.Exit(1)
	}
}

func serve(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: MOUNTPOINT STATE DIR [resume]")
	}
	unix.Umask(0)
	backends.RaiseLimits()
	dir := args[2]
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config := fs.Config{StateDir: args[1], MaxMsg: 10, MsgSize: 128, Log: log}
	options := mount.Options{Mountpoint: args[0], Log: log}
	if len(args) > 3 {
		var err error
		if config.Tables, err = os.ReadFile(dir + "/tables"); err != nil {
			return err
		}
		if options.Session, err = os.ReadFile(dir + "/session"); err != nil {
			return err
		}
		options.Device = 4
	}
	tree, err := fs.New(config)
	if err != nil {
		return err
	}
	session, err := mount.New(tree, options)
	if err != nil {
		return err
	}
	told := make(chan error, 1)
	go func() {
		<-session.Live()
		if _, err := unix.Write(3, []byte("l")); err != nil {
			told <- err
			return
		}
		if n, err := unix.Read(3, make([]byte, 1)); err != nil || n == 0 {
			return // nobody will ask
		}
		told <- handOver(tree, session, dir)
	}()
	if err := session.Serve(); errors.Is(err, mount.ErrHandedOver) {
		return <-told
	}
	return errors.Join(tree.Close(), session.Close())
}

func handOver(tree *fs.Tree, session *mount.Session, dir string) error {
	device, record, err := session.HandOver()
	if err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/session", record, 0600); err != nil {
		return err
	}
	if err := os.WriteFile(dir+"/tables", tree.Tables(), 0600); err != nil {
		return err
	}
	return unix.Sendmsg(3, []byte("d"), unix.UnixRights(device), nil, 0)
}
