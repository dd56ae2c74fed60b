package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/mount"
	"golang.org/x/sys/unix"
)

// A manager is the service manager that started the daemon, systemd as a rule, and is told how it is
// (sd_notify(3), Type=notify). Without one, which $NOTIFY_SOCKET tells, nobody is told. A nil *manager tells
// nobody either. It is safe for concurrent use; nothing it does waits.
type manager struct{ log *slog.Logger }

// ready tells that the tree is live.
func (m *manager) ready(status string) { m.tell(status, daemon.SdNotifyReady) }

// reloading tells that the daemon is being replaced, until it is ready again (sd_notify(3), RELOADING=1).
func (m *manager) reloading(status string) {
	m.tell(status, daemon.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()))
}

// monotonic is CLOCK_MONOTONIC (clock_gettime(2)).
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano())
}

// stopping tells that the daemon is about to end.
func (m *manager) stopping(status string) { m.tell(status, daemon.SdNotifyStopping) }

// tell sends lines, and the line that `systemctl status` shows. A mount point is anybody's choice: it cannot
// begin another line.
func (m *manager) tell(status string, lines ...string) {
	if m == nil {
		return
	}
	if status != "" {
		lines = append(lines, "STATUS="+backends.Line(status))
	}
	if _, err := daemon.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		m.log.Warn("the service manager is not told", "what", strings.Join(lines, " "), "err", err)
	}
}

// signs is how often in WatchdogSec= the daemon gives a sign of life: one that comes late is no reason to end
// it.
const signs = 3

// guard tells again and again that the daemon serves its tree, as long as alive finds so. When it does not,
// systemd ends the daemon with SIGABRT, which has Go's runtime write where each goroutine stands. It returns
// when ctx ends, or at once if nobody asks for signs of life (sd_watchdog_enabled(3)).
func (m *manager) guard(ctx context.Context, alive func() error) {
	if m == nil {
		return
	}
	period, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("no signs of life for the service manager", "err", err)
	}
	if period <= 0 {
		return
	}
	tick := time.NewTicker(period / signs)
	defer tick.Stop()
	for {
		if err := alive(); err != nil {
			m.log.Error("no sign of life for the service manager", "err", err)
		} else {
			m.tell("", daemon.SdNotifyWatchdog)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// alive asks the tree at the mount point for something that the whole daemon has a part in: the goroutine
// that reads requests, a worker, the poller. It waits no longer than askLimit. That nothing can be asked as
// another file system lies above the tree is no fault of the daemon.
func (s *settings) alive() error {
	m, err := mount.Uppermost(s.mountpoint)
	if err != nil || m == nil || !ours(m) {
		return err
	}
	_, err = ask(m)
	return err
}
