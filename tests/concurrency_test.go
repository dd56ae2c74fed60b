package tests

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// TestConcurrency: 64 processes on 64 queues, each a sender to one and a
// receiver from another, lose nothing and keep the order.
func TestConcurrency(t *testing.T) {
	n, each := 64, often(50, 200)
	tr := mountTree(t, "--maxmsg", "4", "--msgsize", "32")
	var stderr bytes.Buffer
	cmds := make([]*exec.Cmd, n)
	queue := func(i int) string { return fmt.Sprintf("%s/queues/q%d", tr.mnt, i%n) }
	for i := range cmds {
		check(t, os.WriteFile(queue(i), nil, 0644))
	}
	r, w, err := os.Pipe()
	check(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := stderr.ReadFrom(r)
		done <- err
	}()
	for i := range cmds {
		cmds[i] = tr.command("ipctool", "pump", queue(i), queue(i+1), fmt.Sprint(each), fmt.Sprintf("q%d", (i+1)%n))
		cmds[i].Stderr = w
		check(t, cmds[i].Start())
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
	}
	check(t, w.Close())
	check(t, <-done)
	check(t, r.Close())
	if stderr.Len() > 0 {
		t.Errorf("%s", stderr.String())
	}
	for i := range n {
		if st, err := os.Stat(queue(i)); err != nil || st.Size() != 0 {
			t.Errorf("%s is not empty: %v %v", queue(i), st, err)
		}
	}
}
