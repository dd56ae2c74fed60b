package ipctool

import (
	"os"
	"os/exec"
	"syscall"
)

// shell is a command that a script gives. The helper shows what it
// prints, and it does not outlive the helper.
func shell(command string, files ...*os.File) *exec.Cmd {
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdin, os.Stdout, os.Stderr, files
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}
