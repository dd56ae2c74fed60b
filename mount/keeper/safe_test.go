package keeper

import (
	"os"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

func newSafe(t *testing.T) (*safe, *worker) {
	t.Helper()
	ours, theirs, err := newLink()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(int(theirs.Fd()), true); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.FcntlInt(theirs.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	t.Cleanup(ours.Close)
	box, end, err := newBox()
	if err != nil {
		t.Fatal(err)
	}
	s := &safe{link: &Link{f: os.NewFile(uintptr(fd), "keeper")}, box: &Link{f: end}}
	for _, l := range []*Link{box, s.box, s.link} {
		t.Cleanup(l.Close)
	}
	return s, &worker{link: ours, box: box}
}

// TestStoppedKeeper: while a keeper does not listen, what is kept and dropped again is not piled up for it,
// and nobody waits for long. Then it hears what it should have in the end.
func TestStoppedKeeper(t *testing.T) {
	s, keeper := newSafe(t)
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(null)
	const first, all = 100, 20_000
	for n := uint64(1); n <= first; n++ {
		s.Keep(n, null)
	}
	began := time.Now()
	for n := uint64(first + 1); n <= all; n++ {
		s.Keep(n, null)
		s.Drop(n, backends.CloseLater)
	}
	if took := time.Since(began); took > 20*dropLimit {
		t.Errorf("it took %v", took)
	}
	s.mu.Lock()
	if n := len(s.queue); n > 10 {
		t.Errorf("%d messages wait", n)
	}
	s.mu.Unlock()
	for n := uint64(1); n <= first; n++ {
		s.Drop(n, backends.CloseLater)
	}
	s.Keep(all+1, null)
	k := &Keeper{}
	for k.kept[all+1] == 0 {
		m, err := keeper.link.receive()
		if err != nil {
			t.Fatal(err)
		}
		k.heed(told{keeper, m})
	}
	if len(k.kept) != 1 {
		t.Errorf("%d are kept", len(k.kept))
	}
	k.drop(all + 1)
}

// TestDeafKeeper: nobody waits for a keeper that has not answered in time, until it answers again.
func TestDeafKeeper(t *testing.T) {
	s, _ := newSafe(t)
	s.Drop(1, backends.CloseFirst)
	began := time.Now()
	s.Drop(2, backends.CloseFirst)
	if took := time.Since(began); took > dropLimit/2 || !s.deaf {
		t.Errorf("it took %v", took)
	}
	s.dropped(2)
	if s.deaf {
		t.Error("it is deaf for good")
	}
}

// TestFullBox: a box that stays full for long does not fill the link, on which others wait for room.
func TestFullBox(t *testing.T) {
	s, _ := newSafe(t)
	m := message{word: "drop", number: 1, fd: -1}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.full(m) {
	}
	for range 10_000 {
		s.full(m)
	}
	if err := s.link.trySend(message{word: "box", fd: -1}); err != nil {
		t.Error(err)
	}
}
