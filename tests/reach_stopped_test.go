package tests

import (
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestReachStopped: with the server stopped, and users who ask for what it has, what is here is served as
// before.
func TestReachStopped(t *testing.T) {
	if !*long {
		t.Skip("it compares times: -long")
	}
	servers := natsServers(t, 1, "")
	tr := mountTree(t, "--attach", "prod="+servers.URL())
	if !eventually(patience, func() bool { return isUp(tr.mnt) }) {
		t.Fatal("there is no connection")
	}
	check(t, os.WriteFile(tr.mnt+"/prod/queues/far", nil, 0644))
	check(t, os.WriteFile(tr.mnt+"/queues/near", nil, 0644))
	fd, err := unix.Open(tr.mnt+"/queues/near", unix.O_RDWR|unix.O_CLOEXEC, 0)
	check(t, err)
	defer unix.Close(fd)
	before := near(t, fd)
	check(t, servers.Stop(1))
	over := make(chan struct{})
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			if err := tr.join(); err != nil {
				t.Error(err)
				return
			}
			for {
				select {
				case <-over:
					return
				default:
					var st unix.Stat_t
					_ = unix.Stat(tr.mnt+"/prod/queues/far", &st) // it ends with EHOSTDOWN or ETIMEDOUT
				}
			}
		})
	}
	stopped := near(t, fd)
	close(over)
	check(t, servers.Continue(1))
	asking.Wait()
	t.Logf("a message here and back: median %v, 99 of 100 in %v; with the server stopped %v, %v",
		before[0], before[1], stopped[0], stopped[1])
	if stopped[0] > 2*before[0]+50*time.Microsecond {
		t.Errorf("it takes %v with the server stopped, else %v", stopped[0], before[0])
	}
}

// near is the median and the 99th percentile of the times that a message takes to be sent to a queue here
// and received from it, over a second.
func near(t *testing.T, fd int) (times [2]time.Duration) {
	t.Helper()
	var all []time.Duration
	buf := make([]byte, 128)
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		began := time.Now()
		_, err := unix.Write(fd, []byte("message"))
		check(t, err)
		_, err = unix.Read(fd, buf)
		check(t, err)
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return [2]time.Duration{all[len(all)/2], all[len(all)*99/100]}
}
