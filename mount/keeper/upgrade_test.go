package keeper

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A worker that is told to leave once more, for the next upgrade, is on its way already.
func TestLeaveTwice(t *testing.T) {
	p := &Post{Leave: make(chan struct{})}
	for range 2 {
		p.heed(message{word: "leave", fd: -1})
	}
	<-p.Leave
}

// An upgrade is over, and another one may come, also if the new worker ends before the keeper has become the
// new program.
func TestUpgradeOver(t *testing.T) {
	var told string
	k := &Keeper{
		Log: slog.New(slog.DiscardHandler), Upgraded: func(result string) { told = result },
		worker: &worker{live: true}, live: true, upgrade: upgrade{over: true},
	}
	if done, err := k.ended(k.worker); done || err != nil {
		t.Error(done, err)
	}
	if k.upgrade.over || !strings.HasPrefix(told, Done) || k.again == nil {
		t.Errorf("an upgrade goes on for ever; told %q", told)
	}
}

// A keeper that was told to end the mount does not become the new program, which would not know of that.
func TestStoppedThenUpgraded(t *testing.T) {
	ours, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	k := &Keeper{
		Log: slog.New(slog.DiscardHandler), Upgraded: func(string) {},
		Argv:   func(string) []string { return nil },
		ledger: -1, device: -1, live: true, stops: true, ends: make(chan *worker),
		worker: &worker{process: process, link: ours, live: true},
	}
	k.succeed(k.worker)
	if k.upgrades != 0 {
		t.Errorf("an upgrade has ended: %s", k.result)
	}
	theirs.Close()
	if w := <-k.ends; w != k.worker {
		t.Error("nobody listened for the worker")
	}
}

// The end of a terminal ends the mount, but for nohup(1), and is no upgrade.
func TestHungUp(t *testing.T) {
	for _, deaf := range []bool{false, true} {
		k := &Keeper{
			Log: slog.New(slog.DiscardHandler), Upgrading: func() { t.Error("an upgrade begins") },
			HungUp: func() bool { return true }, Stopping: func() {}, Deaf: deaf, live: true, worker: &worker{},
		}
		if done, err := k.reload(unix.SIGHUP); done || err != nil || k.stops == deaf {
			t.Errorf("nohup %v: it stops %v, %v %v", deaf, k.stops, done, err)
		}
	}
}

// What a worker is told after it was told to go on, it hears after that: how an upgrade ended, of which the
// program of before goes on, and that it is to leave.
func TestServesThenHears(t *testing.T) {
	for range 20 {
		ours, end, err := newLink()
		if err != nil {
			t.Fatal(err)
		}
		k := &Keeper{
			Log: slog.New(slog.DiscardHandler), Upgraded: func(string) {}, Level: new(slog.LevelVar), device: -1,
		}
		w := &worker{link: ours}
		k.serve(w)
		k.finish("it is another program")
		w.tell(message{word: "leave", fd: -1})
		theirs := &Link{f: end}
		for _, want := range []message{
			{word: "begun"}, {word: "upgrade"}, {word: "level"}, {word: "go"},
			{word: "begun", number: 1}, {word: "upgrade", number: 1}, {word: "leave"},
		} {
			if m, err := theirs.receive(); err != nil || m.word != want.word || m.number != want.number {
				t.Fatalf("%s %d before %s %d; %v", m.word, m.number, want.word, want.number, err)
			}
		}
		ours.Close()
		theirs.Close()
	}
}
