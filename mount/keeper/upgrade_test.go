package keeper

import (
	"log/slog"
	"strings"
	"testing"
)

// A worker that is told to leave once more, for the next upgrade, is on its way already.
func TestLeaveTwice(t *testing.T) {
	p := &Post{Leave: make(chan struct{})}
	for range 2 {
		p.heed(message{word: "leave", fd: -1})
	}
	<-p.Leave
}

// An upgrade is over, and another one may come, also if the new worker ends before the keeper has become the new
// program.
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
