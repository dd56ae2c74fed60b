package tests

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// grantRules reads the table of docs/security.md: for each class, by control file, what opening it for
// reading, for writing and for both asks for.
func grantRules(t *testing.T) map[string]map[string][3]string {
	page, err := os.ReadFile("../docs/security.md")
	check(t, err)
	rules := map[string]map[string][3]string{}
	rows := regexp.MustCompile("(?m)^\\| ([a-z, A-Z]+): (`.*`) \\| (\\w+) \\| (\\w+) \\| (\\w+) \\|$")
	for _, row := range rows.FindAllSubmatch(page, -1) {
		class := string(row[1])
		if rules[class] == nil {
			rules[class] = map[string][3]string{}
		}
		for _, file := range regexp.MustCompile("`([^`]+)`").FindAllSubmatch(row[2], -1) {
			rules[class][string(file[1])] = [3]string{string(row[3]), string(row[4]), string(row[5])}
		}
	}
	return rules
}

// TestGrants: opening a control file asks for the rights that the table in
// docs/security.md says. The test opens the object itself to see who has them: its owner
// and a stranger. The table has every control file there is.
func TestGrants(t *testing.T) {
	t.Parallel()
	if root, _ := realRoot(); !root {
		t.Skip("the user namespace of an ordinary user has one user only")
	}
	rules := grantRules(t)
	tr := mountTree(t)
	out, err := tr.command("sh", "-c", `cd $MNT &&
		touch queues/o topics/o sysv/queues/0x00004101 sockets/o sockets/tcp/:0 sockets/udp/:0 &&
		chown 1000:1000 */o sysv/queues/0x* sockets/???/:*; echo */o sysv/queues/0x* sockets/???/:*`).CombinedOutput()
	check(t, err)
	objects := strings.Fields(string(out))
	if len(objects) != 6 {
		t.Fatalf("%s", out)
	}
	files := map[string]map[string][3]string{}
	for _, object := range objects {
		class, _, _ := strings.Cut(object, "/")
		have := maps.Clone(rules["every class"])
		maps.Copy(have, rules[class])
		if strings.HasPrefix(object, "sockets/udp/") {
			maps.Copy(have, rules["sockets, UDP"])
			delete(have, "accept")
			delete(have, "call")
		}
		tableIsWhole(t, tr, object, have)
		files[object] = have
	}
	for _, mode := range []os.FileMode{0400, 0200, 0600, 0644, 0622, 0604} {
		for _, object := range objects {
			check(t, os.Chmod(tr.mnt+"/"+object, mode))
		}
		for _, uid := range []string{"1000", "1001"} {
			grant(t, tr, mode, uid, files)
		}
	}
}

// tableIsWhole looks for control files that the table does not have.
func tableIsWhole(t *testing.T, tr *tree, object string, files map[string][3]string) {
	list, err := os.ReadDir(tr.mnt + "/ctl/" + object)
	check(t, err)
	for _, e := range list {
		_, ok := files[e.Name()]
		below := func(file string) bool { return filepath.Dir(file) == e.Name() }
		if !ok && e.Name() != "sock" && !slices.ContainsFunc(slices.Collect(maps.Keys(files)), below) {
			t.Errorf("docs/security.md does not say who may open %s of %s", e.Name(), object)
		}
	}
}

// grant opens objects and their control files as a user.
func grant(t *testing.T, tr *tree, mode os.FileMode, uid string, files map[string]map[string][3]string) {
	args := []string{"as", uid, "ipctool", "grants"}
	for object := range files {
		args = append(args, tr.mnt+"/"+object)
		for file := range files[object] {
			args = append(args, tr.mnt+"/ctl/"+object+"/"+file)
		}
	}
	out, err := tr.command("ipctool", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	granted := map[string]map[string]bool{}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		granted[words[0]] = map[string]bool{}
		for _, how := range words[1:] {
			granted[words[0]][how] = true
		}
	}
	for object := range files {
		for file, rule := range files[object] {
			for i, how := range []string{"r", "w", "rw"} {
				want := granted[tr.mnt+"/"+object][rule[i]] || rule[i] == "all" || rule[i] == "owner" && uid == "1000"
				if got := granted[tr.mnt+"/ctl/"+object+"/"+file][how]; got != want {
					t.Errorf("%s %v %s: %s for %s: granted %v, want %v (%s)", object, mode, uid, file, how, got, want, rule[i])
				}
			}
		}
	}
}
