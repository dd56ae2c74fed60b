package tests

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReachNative: a program that speaks NATS sends to a queue and a topic of the tree and receives from them, by the
// names in docs/reach.md.
func TestReachNative(t *testing.T) {
	t.Parallel()
	c := natsServers(t, 1, "")
	nc, js := natsClient(t, c.URL())
	tr := mountTree(t, "--attach", "prod="+c.URL())
	file := func(name string) string { return filepath.Join(tr.mnt, "prod", name) }
	if !eventually(patience, func() bool { return os.WriteFile(file("queues/jobs"), []byte("mine"), 0644) == nil }) {
		t.Fatal("the queue is not made")
	}
	ctx := t.Context()
	pulls, err := js.Consumer(ctx, "ipcfs_q_jobs", "p00000")
	check(t, err)
	m, err := pulls.Next()
	check(t, err)
	if string(m.Data()) != "mine" {
		t.Errorf("received %q", m.Data())
	}
	check(t, m.DoubleAck(ctx))
	_, err = js.Publish(ctx, "ipcfs.q.jobs.0", []byte("theirs"))
	check(t, err)
	got, err := tr.run("head", "-c6", file("queues/jobs"))
	if err != nil || got != "theirs" {
		t.Errorf("read %q %v", got, err)
	}
	check(t, os.Mkdir(file("topics/hall"), 0755))
	check(t, os.WriteFile(file("topics/hall/temp"), nil, 0644))
	live, err := nc.SubscribeSync("ipcfs.l.hall.temp")
	check(t, err)
	check(t, nc.Flush())
	_, err = js.Publish(ctx, "ipcfs.t.hall.temp", []byte("20.5"))
	check(t, err)
	check(t, os.WriteFile(file("topics/hall/temp"), []byte("21"), 0644))
	for _, want := range []string{"20.5", "21"} {
		m, err := live.NextMsg(patience)
		for err == nil && len(m.Data) == 0 { // the file was made and closed with nothing written
			m, err = live.NextMsg(patience)
		}
		check(t, err)
		if string(m.Data) != want {
			t.Errorf("heard %q, want %q", m.Data, want)
		}
	}
	last, err := os.ReadFile(filepath.Join(tr.mnt, "ctl/prod/topics/hall/temp/last"))
	if err != nil || string(last) != "21" {
		t.Errorf("the last one is %q %v", last, err)
	}
}
