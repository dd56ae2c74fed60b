package tests

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A keeper has a mount served by one worker after the other, as a daemon that starts workers would.
type keeper struct {
	t      *testing.T
	tr     *tree
	worker *exec.Cmd
	talk   int // a socket to the worker
	device *os.File
	ended  bool
}

// start starts a worker, which goes on with the mount if there is one, and waits until it is live.
func (k *keeper) start() {
	k.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	check(k.t, err)
	theirs := os.NewFile(uintptr(pair[1]), "worker")
	args := []string{k.tr.mnt, k.tr.state, k.tr.work}
	files := []*os.File{theirs}
	if k.device != nil {
		args, files = append(args, "resume"), append(files, k.device)
	}
	k.talk, k.worker = pair[0], k.tr.command(workerDaemon, args...)
	k.worker.ExtraFiles, k.worker.Stderr = files, os.Stderr
	check(k.t, k.worker.Start())
	check(k.t, theirs.Close())
	if n, err := unix.Read(k.talk, make([]byte, 1)); n != 1 {
		k.t.Fatalf("the worker is not live: %v", err)
	}
}

// handOver has the worker end, and another one go on.
func (k *keeper) handOver() {
	k.t.Helper()
	_, err := unix.Write(k.talk, []byte("h"))
	check(k.t, err)
	rights := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(k.talk, make([]byte, 1), rights, unix.MSG_CMSG_CLOEXEC)
	check(k.t, err)
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil || len(messages) != 1 {
		k.t.Fatalf("no device: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	check(k.t, err)
	check(k.t, k.worker.Wait())
	check(k.t, unix.Close(k.talk))
	if k.device != nil {
		check(k.t, k.device.Close())
	}
	k.device = os.NewFile(uintptr(fds[0]), "/dev/fuse")
	k.start()
}

// end unmounts, which ends the worker.
func (k *keeper) end() {
	k.t.Helper()
	check(k.t, unix.Unmount(k.tr.mnt, 0))
	k.ended = true
	check(k.t, k.worker.Wait())
	check(k.t, unix.Close(k.talk))
	check(k.t, k.device.Close())
}

// abandon ends what is left after a failure. The mount ends when nobody has the device open any more.
func (k *keeper) abandon() {
	if k.ended || k.worker == nil {
		return
	}
	_ = k.worker.Process.Kill()
	_ = k.worker.Wait()
	_ = k.device.Close()
	_ = unix.Unmount(k.tr.mnt, unix.MNT_DETACH)
}

// carry starts programs that go on while the mount is handed over. It returns a
// function that ends them and reports their errors.
func (k *keeper) carry(roles ...string) (end func()) {
	k.t.Helper()
	for i, role := range roles {
		what, where, _ := strings.Cut(role, "=")
		roles[i] = what + "=" + k.tr.mnt + "/" + where
	}
	cmd := k.tr.command("ipctool", append([]string{"carry"}, roles...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(k.t, err)
	out, err := cmd.StdoutPipe()
	check(k.t, err)
	check(k.t, cmd.Start())
	if _, err := io.ReadFull(out, make([]byte, len("ready\n"))); err != nil {
		k.t.Fatalf("%q are not ready: %v, %v", roles, err, cmd.Wait())
	}
	return func() {
		k.t.Helper()
		check(k.t, in.Close())
		check(k.t, cmd.Wait())
	}
}

func (k *keeper) sh(script string) {
	k.t.Helper()
	cmd := k.tr.command("sh", "-ec", script)
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// TestHandOver: a process goes on with the mount of another one, from its tables and its device alone, and no
// program notices: what was sent is received, once and in order; readers that sleep go on sleeping until
// there is something for them; and what open files had in hand is still there.
func TestHandOver(t *testing.T) {
	needsResend(t)
	t.Parallel()
	k := &keeper{t: t, tr: bareTree(t)}
	t.Cleanup(k.abandon)
	k.start()
	k.goesOn(func() {
		for range 2 {
			k.handOver()
		}
	})
	k.end()
}

// goesOn has programs use all that there is while other processes come to serve the mount.
func (k *keeper) goesOn(others func()) {
	k.t.Helper()
	k.sh(`cd $MNT
		for q in a l n p s h f w e o t; do : > queues/$q; done
		echo 'topics/t slow=block depth=4' > ctl/new
		mkdir shm/d; cd shm/d; i=0
		while [ $i -lt 1000 ]; do : > /dev/shm/d/n$i; i=$((i+1)); done
		cd $MNT; for i in 0 1 2 3 4 5 6 7 8 9; do echo $i > queues/o; done
		echo job > queues/t; printf owed > ctl/queues/o/lines`)
	still := k.carry("poll=queues/p", "sleep=queues/s", "sleep=queues/s", "sleep=queues/s", "hand=queues/h",
		"half=ctl/queues/f/lines",
		"list=shm/d", "watch=ctl/queues/w/status", "late=queues/e",
		"lease=ctl/queues/t/lease", "lock=shm/l")
	readers := k.carry("recv=topics/t", "recv=topics/t")
	load := k.carry("send=queues/a", "recv=queues/a", "send-lines=ctl/queues/l/lines",
		"recv-lines=ctl/queues/l/lines",
		"send=queues/n", "next=ctl/queues/n/next", "send=topics/t", "map=shm/m")
	k.sh(`rm /dev/shm/d/n999; : > /dev/shm/d/n0a`)
	others()
	load()
	readers()
	k.sh(`cd $MNT
		printf wake > queues/p; for i in 1 2 3; do printf wake > queues/s; done; echo x > queues/w
		for i in 0 1 2 3 4 5 6 7 8 9 owed; do [ $(dd status=none bs=128 count=1 < queues/o) = $i ]; done`)
	still()
	k.sh(`[ -z "$(cat $MNT/ctl/queues/t/drain)" ]
		rm $MNT/queues/* $MNT/topics/t; rm -r /dev/shm/*`)
}
