package backends

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

// One user's tasks leave room for another's, those that wait get their turn, and Close ends them all.
func TestWorkers(t *testing.T) {
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	const each = 16
	w := NewWorkers(p, 4*each, each)
	started := make(chan uint32, 1000)
	var ended atomic.Int32
	block := func(uid uint32) *Task {
		return w.Go(uid, func(ctx context.Context) {
			started <- uid
			<-ctx.Done()
			ended.Add(1)
		})
	}
	var first []*Task
	for range 3 * each {
		first = append(first, block(1))
	}
	for range each {
		<-started
	}
	block(2)
	if uid := <-started; uid != 2 {
		t.Errorf("user %d has more than his share", uid)
	}
	// A caller that gives up makes room for the next, and late is called once the task is over.
	late := make(chan bool, 1)
	first[0].Abandon(func() { late <- true })
	<-late
	if uid := <-started; uid != 1 {
		t.Errorf("user %d", uid)
	}
	woken := make(chan bool, 1)
	first[1].Arm(In, func() { woken <- true })
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	<-woken
	if n := int(ended.Load()); n != 3*each+1 {
		t.Errorf("%d tasks ended", n)
	}
	if task := block(1); !task.Done() {
		t.Error("a task after Close is not done")
	}
}

// Users take turns, however many tasks one of them has, and a task that has not begun can be taken back.
func TestWorkersTurns(t *testing.T) {
	w := NewWorkers(nil, 1, 1)
	order := make(chan string, 10)
	gate := make(chan bool)
	run := func(uid uint32, name string) *Task {
		return w.Go(uid, func(context.Context) {
			<-gate
			order <- name
		})
	}
	run(1, "a1")
	run(1, "a2")
	recalled := run(1, "a3")
	run(1, "a4")
	run(2, "b1")
	last := run(2, "b2")
	if !recalled.Recall() || !recalled.Done() || recalled.Recall() {
		t.Error("a task that waited was not taken back, or twice")
	}
	close(gate)
	got := ""
	for range 5 {
		got += <-order + " "
	}
	if got != "a1 a2 b1 a4 b2 " {
		t.Errorf("in the order %s", got)
	}
	if last.Recall() {
		t.Error("a task that ran was taken back")
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// Tasks that are stuck keep others from running for a while only. A user who has too many
// of them waits with the next ones, and nobody else does.
func TestWorkersPassOn(t *testing.T) {
	w := NewWorkers(nil, 2, 1)
	const each = 3
	w.PassOn(time.Millisecond, 100, each)
	started, gate := make(chan uint32, 100), make(chan bool)
	stuck := func(uid uint32) *Task {
		return w.Go(uid, func(context.Context) {
			started <- uid
			<-gate
		})
	}
	var more []*Task
	for uid := range uint32(4) {
		for range each {
			stuck(uid)
		}
		more = append(more, stuck(uid))
	}
	counts := map[uint32]int{}
	for range 4 * each {
		counts[<-started]++
	}
	for uid := range uint32(4) {
		if counts[uid] != each {
			t.Errorf("%d stuck tasks of user %d run", counts[uid], uid)
		}
	}
	done := make(chan bool)
	w.Go(9, func(context.Context) { close(done) })
	<-done
	if !more[0].Recall() {
		t.Error("a user has more stuck tasks than one may")
	}
	// Those that end make room for their user's next.
	close(gate)
	for range len(more) - 1 {
		<-started
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	if w.run != 0 || w.passed != 0 || len(w.users) != 0 {
		t.Errorf("%d and %d tasks of %d users are left", w.run, w.passed, len(w.users))
	}
}
