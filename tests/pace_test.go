package tests

import (
	"flag"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
)

var (
	long    = flag.Bool("long", false, "run the tests that take minutes, too")
	program = flag.String("ipcfs", "", "test this program, instead of one that is built for it")
	kept    = flag.String("keeper", "", "mount with --keeper=`MODE` what a test does not mount with or without one")
)

// soak is for a test that takes minutes: it runs with -long only, and
// asks its tree's watchdog for the time (allow).
func soak(t *testing.T) {
	t.Helper()
	if !*long {
		t.Skip("it takes minutes: go test ./tests -long -run " + t.Name())
	}
}

// often is how many times to do something: one number in the usual run, another one where there are minutes
// for it (-long), and of what is done many times a tenth on a slow machine.
func often(usual, longer int) int {
	const many = 20
	switch {
	case *long:
		return longer
	case slow() && usual >= many:
		return usual / 10
	}
	return usual
}

// patience is how long anything that should happen at once may take on a slow machine, and lifetime how long
// a test may take, or a script from one of these tests' commands to the next.
var (
	patience = ipctool.Patience()
	lifetime = 3 * patience * raceSlows
)

// slow reports whether the machine is one on which what takes a second elsewhere takes many: it emulates its
// processor. Tests of what load does have smaller numbers there.
func slow() bool { return patience >= time.Minute }

// usualStart is how long a machine that is not slow needs to start a small program and see its end.
const usualStart = 5 * time.Millisecond

// slowness is how many times as long as usual things take on this machine, as it emulates its processor: 1,
// or more. It is found by trying: the best of some tries, which tells little of other programs that run. It
// is at least what whoever starts the tests knows of the machine.
func slowness() int {
	known, _ := strconv.Atoi(os.Getenv(ipctool.SlowVar))
	best := time.Hour
	for range 5 {
		start := time.Now()
		if err := exec.Command("true").Run(); err != nil {
			return max(1, known)
		}
		best = min(best, time.Since(start))
	}
	return max(known, int(min(20, 1+best/usualStart)))
}
