package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// Of nats-server: the oldest that has all that attached queues and topics need, and what installs a good one.
const (
	brokerMajor, brokerMinor = 2, 12
	brokerInstall            = "go install github.com/nats-io/nats-server/v2@v2.15.2"
)

// broker is what `ipcfs broker` is asked for.
type broker struct {
	listen, store, sync string
	peers               []string
}

// brokerCommand is `ipcfs broker`.
func brokerCommand(f *pflag.FlagSet) func(io.Writer, []string) error {
	var b broker
	f.StringVar(&b.listen, "listen", "127.0.0.1:4222", "be at `ADDRESS` (127.0.0.1:4222); :4222 is for all hosts")
	f.StringVar(&b.store, "store", "", "`DIR` for messages and token (/var/lib/ipcfs/broker)")
	f.StringVar(&b.sync, "sync", "always", "write to the disk always, or once in a `TIME` (always)")
	f.StringSliceVar(&b.peers, "peers", nil, "all three or five `HOSTS` of a cluster: a,b,c")
	f.Lookup("listen").DefValue, f.Lookup("sync").DefValue = "", ""
	return func(out io.Writer, args []string) error {
		if len(args) > 0 {
			return usagef("unexpected argument %q", args[0])
		}
		if err := b.check(); err != nil {
			return err
		}
		return b.run(out)
	}
}

// check refuses what nats-server would not do, or not safely.
func (b *broker) check() error {
	host, _, err := net.SplitHostPort(b.listen)
	if err != nil {
		return usagef("--listen is HOST:PORT or :PORT: %v", err)
	}
	if pause, err := time.ParseDuration(b.sync); b.sync != "always" && (err != nil || pause < time.Millisecond) {
		return usagef("--sync is always, or an interval: 10s, 2m")
	}
	if strings.Trim(b.store, plainPath) != "" {
		return usagef("--store %q: a path of letters, digits and / . _ -, which needs no quotation", b.store)
	}
	n := len(b.peers)
	if n == 0 {
		return nil
	}
	if n < 3 || n%2 == 0 {
		return usagef("--peers %s: three or five, so that most are left when one is away", strings.Join(b.peers, ","))
	}
	if host == "" {
		return usagef("--peers: --listen says which of them this machine is: --listen %s:4222", b.peers[0])
	}
	if !slices.Contains(b.peers, host) {
		return usagef("--listen %s: %s is none of the peers", b.listen, host)
	}
	return nil
}

// plainPath needs no quotation anywhere.
const plainPath = tokenLetters + "/._-"

// run becomes the server, after it has said how to attach to it.
func (b *broker) run(out io.Writer) error {
	server, err := findServer()
	if err != nil {
		return err
	}
	if b.store == "" {
		b.store, err = defaultStore()
	}
	if err == nil {
		b.store, err = filepath.Abs(b.store)
	}
	if err == nil {
		err = os.MkdirAll(b.store, 0700)
	}
	if err == nil {
		err = lockStore(b.store)
	}
	if err != nil {
		return err
	}
	token, err := b.token()
	if err != nil {
		return err
	}
	conf := filepath.Join(b.store, "nats.conf")
	if err := writeFile(conf, b.config(token)); err != nil {
		return err
	}
	at, err := net.Listen("tcp", b.listen)
	if err != nil {
		return err
	}
	at.Close()
	b.warn()
	if _, err := fmt.Fprintf(out, "ipcfs --attach prod=%s MOUNTPOINT\n", b.attachment()); err != nil {
		return err
	}
	return os.NewSyscallError("execve "+server, unix.Exec(server, []string{server, "-c", conf}, os.Environ()))
}

// findServer finds a nats-server that is new enough.
func findServer() (string, error) {
	path, err := exec.LookPath("nats-server")
	if err != nil {
		return "", fmt.Errorf("there is no nats-server in PATH. This installs it, in ~/go/bin: %s", brokerInstall)
	}
	said, err := exec.Command(path, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	var major, minor int
	version := strings.TrimSpace(strings.TrimPrefix(string(said), "nats-server:"))
	if _, err := fmt.Sscanf(version, "v%d.%d", &major, &minor); err != nil {
		return "", fmt.Errorf("%s --version says %q", path, printable(version))
	}
	if major < brokerMajor || major == brokerMajor && minor < brokerMinor {
		return "", fmt.Errorf("%s is %s, and too old: %d.%d is needed. This installs a newer one, in ~/go/bin: %s",
			path, version, brokerMajor, brokerMinor, brokerInstall)
	}
	return path, nil
}

// defaultStore is where the messages are if nobody says where: they are to outlive a restart of the machine.
func defaultStore() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/ipcfs/broker", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ipcfs/broker"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local/state/ipcfs/broker"), err
}

// lockStore keeps another server from the same directory for as long as this process lives, the server that
// it becomes included: the lock is on a descriptor that execve(2) leaves open.
func lockStore(dir string) error {
	fd, err := unix.Open(filepath.Join(dir, "lock"), unix.O_CREAT|unix.O_RDWR, 0600)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("%s: another broker uses it", dir)
	}
	return nil
}

// token is the secret that whoever attaches has to show; it is made the first time.
func (b *broker) token() (string, error) {
	path := b.tokenFile()
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		text = []byte(rand.Text() + "\n")
		err = writeFile(path, string(text))
	}
	if err != nil {
		return "", err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	if len(line) < 16 || strings.Trim(string(line), tokenLetters) != "" {
		return "", fmt.Errorf("%s: a token is 16 letters and digits at least, as a broker makes it", path)
	}
	return string(line), nil
}

// tokenLetters need no quotation in a URL or a configuration.
const tokenLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

func (b *broker) tokenFile() string { return filepath.Join(b.store, "token") }

// writeFile writes a file that holds a secret, whole or not at all.
func writeFile(path, text string) error {
	part := path + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}
