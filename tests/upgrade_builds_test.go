package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpgradeBuilds: a program whose records are of another size refuses before it serves, and the one that
// serves goes on; the program of the commit before takes over from this one, and this one from that, or
// refuses in the same way.
func TestUpgradeBuilds(t *testing.T) {
	t.Parallel()
	soak(t)
	s := shelved(t)
	s.tr.dog.allow(5 * lifetime)
	k := &keeper{t: t, tr: s.tr}
	k.sh(`: > $MNT/queues/q; : > $MNT/queues/r; echo one > $MNT/queues/q`)
	sleeper := k.carry("sleep=queues/r")
	first, worker := s.pids()

	// One more field in what an open file keeps, and no other version.
	root, err := filepath.Abs("..")
	check(t, err)
	const field = "	Number(c, &k.Moved)\n"
	text, err := os.ReadFile(root + "/nodes/kept.go")
	check(t, err)
	changed := strings.Replace(string(text), field, field+"	Number(c, new(int))\n", 1)
	if changed == string(text) {
		t.Fatal("there is no such field")
	}
	check(t, os.WriteFile(s.tr.work+"/kept.go", []byte(changed), 0644))
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {root + "/nodes/kept.go": s.tr.work + "/kept.go"},
	})
	check(t, err)
	check(t, os.WriteFile(s.tr.work+"/overlay", overlay, 0644))
	s.put(built(t, root, "-overlay", s.tr.work+"/overlay"))
	out, err := s.upgrade()
	if keeper, now := s.pids(); err == nil || !strings.Contains(out, "not a ledger of this version") ||
		keeper != first || now != worker {
		t.Errorf("%v, keeper %d, then %d; worker %d, then %d\n%s", err, first, keeper, worker, now, out)
	}

	before := s.tr.work + "/before"
	check(t, os.Mkdir(before, 0755))
	cmd := exec.Command("sh", "-c", "git -C "+root+" archive HEAD~1 | tar -x -C "+before)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Logf("there is no commit before: %v %s", err, out)
	} else {
		for _, program := range [][]byte{built(t, before), s.program} {
			s.put(program)
			out, err := s.upgrade()
			if err != nil && !strings.Contains(out, "not a ledger of this version") {
				t.Errorf("%v\n%s", err, out)
			}
			t.Logf("%v %s", err, out)
			k.sh(`[ "$(head -n1 $MNT/queues/q)" = one ]; echo one > $MNT/queues/q`)
		}
	}
	k.sh(`printf wake > $MNT/queues/r`)
	sleeper()
	k.sh(`rm $MNT/queues/q $MNT/queues/r; grep -q '^restarts=0$' $MNT/ctl/status`)
}

// built is the program of the module in a directory.
func built(t *testing.T, dir string, flags ...string) []byte {
	t.Helper()
	at := t.TempDir() + "/ipcfs"
	cmd := exec.Command("go", append(append([]string{"build", "-o", at}, flags...), "./cmd/ipcfs")...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(at)
	check(t, err)
	return program
}
