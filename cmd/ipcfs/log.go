package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// logFormats are how lines of the log can be written; the first is how they are unless asked otherwise.
var logFormats = []string{"text", "json"}

// logLevels are from which level on something is logged, likewise.
var logLevels = []string{"info", "debug", "warn", "error"}

// newLog makes a log that writes to out what is at least as important as level. Names and messages come from
// strangers: in a line there is nothing but what can be printed, by the one quoting (backends.Line). The
// journal gets each line with its priority and without a time, which it has itself (sd-daemon(3)).
func newLog(out io.Writer, level slog.Leveler, format string) *slog.Logger {
	journal := toJournal(out)
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if journal && len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
			return slog.Attr{}
		}
		return oneLine(a)
	}}
	lines := &prefixed{out: out}
	if journal {
		out = lines
	}
	var handler slog.Handler = slog.NewTextHandler(out, options)
	if format == "json" {
		handler = slog.NewJSONHandler(out, options)
	}
	if journal {
		handler = &journalHandler{handler, lines}
	}
	return slog.New(handler)
}

// oneLine is an attribute in which nothing ends a line or reaches a terminal raw. A stack, which is the
// daemon's own, stays as it is.
func oneLine(a slog.Attr) slog.Attr {
	if a.Key == "stack" {
		return a
	}
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(backends.Line(v))
	case error:
		a.Value = slog.StringValue(backends.Line(v.Error()))
	case []string:
		a.Value = slog.StringValue(backends.Line(strings.Join(v, " ")))
	}
	return a
}

// toJournal reports whether out is the stderr that systemd connected to the journal (systemd.exec(5),
// $JOURNAL_STREAM).
func toJournal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok {
		return false
	}
	var st unix.Stat_t
	if unix.Fstat(int(f.Fd()), &st) != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// journalHandler puts a record's priority before its line.
type journalHandler struct {
	slog.Handler
	lines *prefixed
}

// prefixed writes lines with a prefix.
type prefixed struct {
	mu     sync.Mutex // held while a line is made
	prefix string
	out    io.Writer
}

// Write is called once for each line.
func (p *prefixed) Write(line []byte) (int, error) {
	n, err := p.out.Write(append([]byte(p.prefix), line...))
	return max(0, n-len(p.prefix)), err
}

// Handle is slog.Handler's.
func (h *journalHandler) Handle(ctx context.Context, r slog.Record) error {
	h.lines.mu.Lock()
	defer h.lines.mu.Unlock()
	h.lines.prefix = fmt.Sprintf("<%d>", priority(r.Level))
	return h.Handler.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &journalHandler{h.Handler.WithAttrs(attrs), h.lines}
}

// WithGroup is slog.Handler's.
func (h *journalHandler) WithGroup(name string) slog.Handler {
	return &journalHandler{h.Handler.WithGroup(name), h.lines}
}

// priority is a level's number in syslog(3).
func priority(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 4
	case l >= slog.LevelInfo:
		return 6
	}
	return 7
}

// verbosity is the level of a log, and the one that was asked for.
type verbosity struct {
	*slog.LevelVar
	asked slog.Level
	log   *slog.Logger
}

// toggle switches between the level that was asked for and debug.
func (v verbosity) toggle() {
	if v.Level() == slog.LevelDebug {
		v.set(v.asked)
	} else {
		v.set(slog.LevelDebug)
	}
}

// set sets a level.
func (v verbosity) set(level slog.Level) {
	if v.Level() == level {
		return
	}
	v.Set(level)
	v.log.Warn("the log is of another level", "level", strings.ToLower(level.String()))
}

// heed has SIGUSR1 toggle it, until the caller calls what it returns.
func (v verbosity) heed() (stop func()) {
	signals, over := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, unix.SIGUSR1)
	var heeding sync.WaitGroup
	heeding.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-signals:
				v.toggle()
			}
		}
	})
	return func() {
		signal.Stop(signals)
		close(over)
		heeding.Wait()
	}
}
