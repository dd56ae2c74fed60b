// Package tests drives the real daemon through real mounts with shells, native programs and many processes.
//
// It runs as root or as an ordinary user and leaves nothing behind: the test binary starts itself again in
// namespaces of its own (namespaces_test.go), and each script or test gets a mount namespace, an ipc
// namespace and a /dev/shm of its own inside (tree_test.go). Scripts are testdata/script/*.txtar; their
// commands are in script_test.go, and what a C program would do for them is done by the helper of package
// ipctool. Nothing waits by the clock: tests wait for an event, and a test that hangs is ended by its
// watchdog (watchdog_test.go) with a report of who is stuck where.
package tests

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ipcfs/ipcfs/tests/ipctool"
	"github.com/ipcfs/ipcfs/tests/memqueues"
	"github.com/ipcfs/ipcfs/tests/worker"
	"github.com/rogpeppe/go-internal/testscript"
)

// stageVar says how far in a re-executed test binary is.
const stageVar = "IPCFS_TEST_STAGE"

func TestMain(m *testing.M) {
	if tools[filepath.Base(os.Args[0])] != nil {
		testscript.Main(m, tools)
	}
	stage := os.Getenv(stageVar)
	if err := os.Unsetenv(stageVar); err != nil {
		panic(err)
	}
	switch stage {
	case "":
		flag.Parse()
		os.Exit(enterNamespaces())
	case "init":
		os.Exit(runInit())
	}
	if _, err := exec.LookPath("ipctool"); err == nil {
		delete(tools, "ipctool")
	}
	testscript.Main(suite{m}, tools)
}

// tools are the programs that scripts find in PATH, and that this binary is if it is started by their names.
// It is ipctool only where there is none (putTool).
var tools = map[string]func(){"ipctool": ipctool.Main, memoryDaemon: memqueues.Main, workerDaemon: worker.Main}

// workerDaemon is a daemon that hands its mount over.
const workerDaemon = "ipcfs-worker"

// memoryDaemon is a daemon with queues in memory beside those of the kernel.
const memoryDaemon = "ipcfs-memory"

// suite lets all users execute the helpers, which testscript keeps in a private directory.
type suite struct{ m *testing.M }

func (s suite) Run() int {
	tool, err := exec.LookPath(memoryDaemon)
	if err == nil {
		bin := filepath.Dir(tool)
		for _, dir := range []string{bin, filepath.Dir(bin)} {
			err = os.Chmod(dir, 0755)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "the helpers:", err)
		return 1
	}
	return s.m.Run()
}
