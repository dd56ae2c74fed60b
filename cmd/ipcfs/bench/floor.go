package bench

import (
	"fmt"
	"os"

	"github.com/ipcfs/ipcfs/cmd/ipcfs/bench/floor"
	"golang.org/x/sys/unix"
)

// serveFloor mounts a floor at dir, in a mount namespace of this process alone, and runs a
// peer that does count writes and reads of size bytes there.
func serveFloor(dir, size, count string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	f, err := floor.Mount(dir)
	if err != nil {
		return err
	}
	args := []string{os.Args[0], os.Args[1], "peer", "solo", "file", dir + "/" + floor.File, size, count}
	client, err := os.StartProcess("/proc/self/exe", args,
		&os.ProcAttr{Files: []*os.File{os.Stdin, os.Stdout, os.Stderr}})
	if err != nil {
		return err
	}
	// This returns when the file is closed: then the client is about to end, or has ended.
	if err := f.Serve(); err != nil {
		return err
	}
	state, err := client.Wait()
	if err == nil && !state.Success() {
		err = fmt.Errorf("peer: %s", state)
	}
	return err
}
