package tests

import (
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
)

// What the tests share with their helper, by the names they use.
type (
	cue  = ipctool.Cue
	take = ipctool.Take
)

// eventually tries cond again and again, for things that the kernel has no
// event for, and reports whether it came true.
func eventually(limit time.Duration, cond func() bool) bool { return ipctool.Eventually(limit, cond) }
