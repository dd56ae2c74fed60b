package tests

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ipcfs/ipcfs/tests/natsd"
)

// reachPage makes what the page about many machines needs, and returns the variables that its blocks have:
// $HOST is an address for a broker, $ONE and $TWO are trees that share a server, and nats-server is in PATH.
func reachPage(t *testing.T, tr *tree, page string) []string {
	t.Helper()
	if filepath.Base(page) != "reach.md" {
		return nil
	}
	if !haveServers() {
		t.Skip("nats-server cannot be built here")
	}
	server, err := natsd.Program()
	check(t, err)
	c := natsServers(t, 1, "")
	env := []string{
		"HOST=" + natsd.Loopback().String(), "PATH=" + filepath.Dir(server) + ":" + os.Getenv("PATH"),
	}
	for _, name := range []string{"ONE", "TWO"} {
		at := filepath.Join(tr.work, name)
		check(t, os.Mkdir(at, 0755))
		out, err := tr.run(tr.program, "--state-dir", at+".state", "--maxmsg", "10", "--msgsize", "128",
			"--attach", "prod="+c.URL(), at)
		if err != nil || out != "" {
			t.Fatalf("%v %s", err, out)
		}
		if !eventually(patience, func() bool { _, err := os.ReadDir(at + "/prod/queues"); return err == nil }) {
			t.Fatalf("%s does not reach the server", at)
		}
		env = append(env, name+"="+at)
	}
	return env
}
