// Package bench measures what the tree costs: each way into it side by side with the kernel's own
// interface to the same kind of object, and with the least that any FUSE daemon can do (floor.go). The
// two ends of a queue or a pipe are processes of their own, which are this program again (peer.go). The
// sides of a case take turns and medians are compared, so that a machine that is busy with other things
// now and then does not favour one of them.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Config says what to measure and how.
type Config struct {
	Tree string // where the tree is mounted
	Runs int    // of each side of each case
	Only string // measure only cases with this in their name
	// Self makes a command that calls Main with args in a new process. It
	// runs on the processors the caller may run on.
	Self func(ctx context.Context, args ...string) *exec.Cmd
	// Done is called with each result as soon as it is there.
	Done func(Result)
}

const (
	runTime  = 50 * time.Millisecond // of one run, about
	runLimit = 20 * time.Second      // a run that takes longer hangs
	trial    = 500                   // operations of the first of the runs that tell how many make up runTime
	minCount = 50                    // operations of a run
	maxCount = 1_000_000
)

// Run measures all cases. It leaves nothing behind, also when ctx ends.
func Run(ctx context.Context, c Config) ([]Result, error) {
	dir, err := os.MkdirTemp("", "ipcfs-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	b := &bench{Config: c, ctx: ctx, dir: dir}
	var results []Result
	for _, one := range cases {
		if !strings.Contains(one.name, c.Only) {
			continue
		}
		r, err := b.measure(one)
		if ctx.Err() != nil {
			return nil, errors.New("interrupted")
		}
		if err != nil {
			r = Result{Name: one.name, Bytes: one.size, Failed: b.explain(err)} // the others may do
		}
		results = append(results, r)
		if c.Done != nil {
			c.Done(r)
		}
	}
	if len(results) == 0 {
		return nil, fmt.Errorf("nothing has %q in its name", c.Only)
	}
	return results, nil
}

// bench is a measurement under way.
type bench struct {
	Config
	ctx context.Context
	dir string // for what is not in the tree
}

// A side is one of those that are compared.
type side struct {
	name string
	// the arguments of its processes, for a number of operations; the first process is timed
	peers func(count int) [][]string
	count int
	times []float64 // ns for each operation, of each run
}

// measure lets the sides of a case take turns.
func (b *bench) measure(c testCase) (Result, error) {
	r := Result{Name: c.name, Bytes: c.size, Target: c.target}
	native, mounted, remove, err := b.objects(c)
	if err != nil {
		return r, err
	}
	defer remove()
	sides := []*side{
		{name: "native", peers: c.peers(c.native, native)},
		{name: "mounted", peers: c.peers(c.mounted, mounted)},
	}
	if c.floor {
		sides = append(sides, &side{name: "floor", peers: c.floorPeers(b.dir)})
	}
	for _, s := range sides {
		if err := b.try(s); err != nil && s.name == "floor" {
			r.NoFloor = err.Error()
			sides = sides[:2]
		} else if err != nil {
			return r, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	for range b.Runs {
		for _, s := range sides {
			ns, err := b.once(s, s.count)
			if err != nil {
				return r, fmt.Errorf("%s: %w", s.name, err)
			}
			s.times = append(s.times, ns)
		}
	}
	r.Native, r.Mounted = sample(sides[0].times), sample(sides[1].times)
	if len(sides) > 2 {
		r.Floor = sample(sides[2].times)
	}
	if c.op == "echo" {
		r.Requests, err = b.countRequests(mounted)
	}
	return r, err
}

// try finds out how many operations make up a run. A process that has just begun is slow, so a short run
// would say that few do, and all runs were of such beginnings: it goes on until a run was long enough.
func (b *bench) try(s *side) error {
	for s.count = trial; ; {
		ns, err := b.once(s, s.count)
		if err != nil {
			return err
		}
		took := time.Duration(ns * float64(s.count))
		s.count = enough(s.count, took)
		if took >= runTime/2 || s.count == maxCount {
			return nil
		}
	}
}

// enough is how many operations take about runTime, if count of them took so long.
func enough(count int, took time.Duration) int {
	return min(max(int(float64(count)*float64(runTime)/float64(max(took, 1))), minCount), maxCount)
}

// once does one run and returns how long an operation took: from the beginning of the first
// one to the end of the last, in whichever process that was.
func (b *bench) once(s *side, count int) (ns float64, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, runLimit)
	var all []*process
	defer func() {
		cancel()
		for _, p := range all {
			p.end()
		}
	}()
	lines := s.peers(count)
	for i := len(lines) - 1; i >= 0; i-- {
		p, err := start(b.Self(ctx, lines[i]...))
		if err != nil {
			return 0, err
		}
		all = append(all, p)
		if i > 0 {
			if err := p.ready(); err != nil {
				return 0, err
			}
		}
	}
	var first, last int64
	for _, p := range all {
		begun, ended, err := p.result()
		if err != nil {
			return 0, err
		}
		first, last = begun, max(last, ended)
	}
	return float64(last-first) / float64(count), nil
}
