package mount

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// A timeline tells since when a request waits that began to under an earlier process. The kernel's numbers of
// requests grow. So it is enough to write down once in a while which number came when: the first that waits
// after a second is a mark. Of older ones fewer are kept. So it says up to a second too much, and of a long
// wait up to a sixteenth. The zero timeline knows of no earlier process.
type timeline struct {
	ledger *backends.Ledger // nil: there is no need
	due    atomic.Int64     // from when on the next one is a mark

	mu     sync.Mutex
	record backends.Record
	list   []mark
	before []mark // of an earlier process
}

// mark is a request that began to wait at a time by CLOCK_MONOTONIC, in nanoseconds.
type mark struct {
	request uint64
	at      int64
}

// markPause is how long the next mark is not made. Of two marks the older one goes when what is between its
// neighbours is a markPart of how long that is ago: so there are some hundred in a year.
const (
	markPause = time.Second
	markPart  = 16
)

// began is by CLOCK_MONOTONIC when the moments of this process began.
var began = sync.OnceValue(func() int64 {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) // it is always there
	return t.Nano() - int64(now())
})

// begin has it go on from what an earlier process wrote.
func (l *timeline) begin(ledger *backends.Ledger, left []backends.Left) {
	l.ledger = ledger
	for _, one := range left {
		if nodes.Decode(one.Data, l.code) == nil {
			l.record = one.Record
		}
	}
	l.before = slices.Clone(l.list)
}

func (l *timeline) code(c *nodes.Coder) {
	nodes.Each(c, &l.list, func(m *mark) {
		nodes.Number(c, &m.request)
		nodes.Number(c, &m.at)
	})
}

// since is when a request began to wait that has come to wait now: earlier if the kernel has brought it
// again.
func (l *timeline) since(unique uint64, now moment) moment {
	request := fs.RequestOf(unique)
	if l.ledger == nil || request&closing != 0 { // that is no number of the kernel's
		return now
	}
	if request == unique {
		if int64(now) >= l.due.Load() {
			l.mark(request, now)
		}
		return now
	}
	at, _ := slices.BinarySearchFunc(l.before, request, func(m mark, n uint64) int {
		if m.request <= n {
			return -1
		}
		return 1
	})
	if at == 0 {
		return now
	}
	return min(now, moment(l.before[at-1].at-began()))
}

// mark writes down that a request has come to wait.
func (l *timeline) mark(request uint64, now moment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(now) < l.due.Load() {
		return
	}
	l.due.Store(int64(now) + int64(markPause))
	if n := len(l.list); n > 0 && l.list[n-1].request >= request {
		return
	}
	at := began() + int64(now)
	few := l.list[:0]
	for i, m := range l.list {
		if i == 0 || i == len(l.list)-1 || l.list[i+1].at-few[len(few)-1].at > (at-l.list[i+1].at)/markPart {
			few = append(few, m)
		}
	}
	l.list = append(few, mark{request, at})
	l.ledger.Put(&l.record, backends.TimeRecord, 0, nodes.Encode(l.code))
}
