package keeper

import (
	"os/exec"
	"testing"
	"time"
)

// TestEnd: of a crash it is said where there is more, and of a worker that its keeper has killed why, which is
// not what is said of one that others have killed.
func TestEnd(t *testing.T) {
	late := tooLong("it took up no requests for", 10*time.Second)
	for _, c := range []struct{ script, cause, want string }{
		{"exit 2", "", "exit status 2, as of a panic, a fatal error or a signal: the log has its stacks"},
		{"exit 3", "", "exit status 3"},
		{"kill -9 $$", "", "signal: killed"},
		{"kill -9 $$", late, "it took up no requests for 10s, and its keeper ended it"},
		{"exit 2", late, "it took up no requests for 10s, and its keeper ended it"},
	} {
		cmd := exec.Command("sh", "-c", c.script)
		_ = cmd.Run()
		w := worker{state: cmd.ProcessState, cause: c.cause}
		if got := w.end(); got != c.want {
			t.Errorf("%s: %q, want %q", c.script, got, c.want)
		}
	}
}
