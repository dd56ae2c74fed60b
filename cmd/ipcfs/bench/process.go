package bench

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// process is one of the processes of a run. It says "ready" when the others may begin, and in the end when
// its first operation began and its last one ended, in ns of CLOCK_MONOTONIC, which all processes share.
type process struct {
	cmd *exec.Cmd
	out *bufio.Reader
	err strings.Builder
}

const readyLine = "ready\n"

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = &p.err
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, cmd.Start()
}

// ready waits until the process is ready.
func (p *process) ready() error {
	line, err := p.out.ReadString('\n')
	if line == readyLine {
		return nil
	}
	return p.failed(err)
}

// result waits for the process to end and returns what it measured.
func (p *process) result() (begun, ended int64, err error) {
	if _, err := fmt.Fscan(p.out, &begun, &ended); err != nil {
		return 0, 0, p.failed(err)
	}
	if err := p.cmd.Wait(); err != nil {
		return 0, 0, fmt.Errorf("%s: %w %s", p, err, strings.TrimSpace(p.err.String()))
	}
	return begun, ended, nil
}

// failed explains why the process did not say what it was to say.
func (p *process) failed(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = p.cmd.Wait()
	}
	return fmt.Errorf("%s: %w %s", p, err, strings.TrimSpace(p.err.String()))
}

// end waits for the process if nobody has yet. Its context has ended.
func (p *process) end() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Wait() // it was killed
	}
}

func (p *process) String() string { return strings.Join(p.cmd.Args, " ") }
