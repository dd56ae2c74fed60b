// Package natsd starts real NATS servers for tests, which can be killed, stopped and cut off.
package natsd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/tests/ipctool"
)

// Program is the path of the nats-server whose version go.mod names. It is built the first time, which takes
// a minute, and lies in Go's cache from then on.
var Program = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("go", "tool", "-n", "nats-server")
	cmd.Stderr = new(bytes.Buffer)
	path, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w\n%s", cmd, err, cmd.Stderr)
	}
	return strings.TrimSpace(string(path)), nil
})

// Servers are one nats-server, or several that are a cluster, with JetStream. Each is a process of its own,
// at an address of 127.0.0.0/8 that nobody else has.
type Servers struct {
	net     net.IP // the address of server 1; the others follow
	servers []*server
	links   []*Link
}

type server struct {
	conf, http string
	log        *os.File
	cmd        *exec.Cmd // nil: it does not run
	stopped    bool
	member     bool // of a cluster
}

// Start starts n servers that keep what they keep below dir, and returns when all of them serve JetStream.
// extra is more of their configuration.
func Start(dir string, n int, extra string) (*Servers, error) {
	c := &Servers{net: Loopback()}
	for i := range n {
		d, err := c.configure(filepath.Join(dir, fmt.Sprint("nats", i+1)), i+1, n, extra)
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.servers = append(c.servers, d)
	}
	for i := range n {
		if err := c.start(i + 1); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.Ready(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// For is Start for a test, with whose end they end. It is skipped where there is no Go to build them with.
func For(t testing.TB, n int, extra string) *Servers {
	t.Helper()
	c, err := Start(t.TempDir(), n, extra)
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no nats-server: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// Loopback is an address whose fellows nobody uses: tests run side by side, on one loopback.
func Loopback() net.IP {
	for {
		ip := net.IPv4(127, byte(1+rand.IntN(254)), byte(rand.IntN(255)), 1)
		l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "4222"))
		if err == nil {
			l.Close()
			return ip
		}
	}
}

// host is the address of a server, counted from 1; those of links follow the last.
func (c *Servers) host(i int) string {
	ip := bytes.Clone(c.net.To4())
	ip[3] = byte(i)
	return net.IP(ip).String()
}

// Addr is the HOST:PORT of a server, counted from 1.
func (c *Servers) Addr(i int) string { return c.host(i) + ":4222" }

// URL is that of all servers.
func (c *Servers) URL() string {
	var list []string
	for i := range c.servers {
		list = append(list, "nats://"+c.Addr(i+1))
	}
	return strings.Join(list, ",")
}

// configure writes the configuration of a server.
func (c *Servers) configure(dir string, i, n int, extra string) (*server, error) {
	if err := os.MkdirAll(dir, 0755); err != nil {
		return nil, err
	}
	d := &server{conf: filepath.Join(dir, "nats.conf"), http: c.host(i) + ":8222", member: n > 1}
	var b strings.Builder
	fmt.Fprintf(&b, "server_name: n%d\nlisten: %q\nhttp: %q\n", i, c.Addr(i), d.http)
	fmt.Fprintf(&b, "jetstream { store_dir: %q, max_file_store: 1GB, max_memory_store: 256MB, sync_interval: always }\n",
		dir)
	if n > 1 {
		fmt.Fprintf(&b, "cluster { name: test, listen: \"%s:6222\", no_advertise: true, routes: [", c.host(i))
		for j := range n {
			fmt.Fprintf(&b, " \"nats://%s:6222\",", c.host(j+1))
		}
		b.WriteString(" ] }\n")
	}
	b.WriteString(extra)
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0644)
	if err != nil {
		return nil, err
	}
	d.log = log
	return d, os.WriteFile(d.conf, []byte(b.String()), 0644)
}

// start starts a server that does not run.
func (c *Servers) start(i int) error {
	path, err := Program()
	if err != nil {
		return err
	}
	d := c.servers[i-1]
	d.cmd = exec.Command(path, "-c", d.conf)
	d.cmd.Stdout, d.cmd.Stderr = d.log, d.log
	return d.cmd.Start()
}

// Ready waits until all servers that run serve JetStream: those of a cluster have a leader and know what the
// others know.
func (c *Servers) Ready() error {
	for _, d := range c.servers {
		if d.cmd == nil || d.stopped {
			continue
		}
		var err error
		settled := func() bool { err = d.healthy(); return err == nil || d.dead() }
		if !ipctool.Eventually(ipctool.Patience(), settled) || err != nil {
			text, _ := os.ReadFile(d.log.Name())
			return fmt.Errorf("%v: %w\n%s", d.cmd, err, text)
		}
	}
	return nil
}

// dead reports whether a server has ended by itself.
func (d *server) dead() bool {
	return ipctool.ProcState(fmt.Sprint("/proc/", d.cmd.Process.Pid)) == "Z"
}

// healthy asks a server's monitor whether it is well, and if it is one of a cluster whether that has a
// leader.
func (d *server) healthy() error {
	if err := d.ask("healthz", new(struct{})); err != nil || !d.member {
		return err
	}
	var known struct {
		Meta struct {
			Leader string
		} `json:"meta_cluster"`
	}
	if err := d.ask("jsz", &known); err != nil || known.Meta.Leader != "" {
		return err
	}
	return errors.New("the cluster has no leader")
}

func (d *server) ask(what string, into any) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + d.http + "/" + what)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", what, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

// Leader is the server that leads the cluster, counted from 1; 0: none does.
func (c *Servers) Leader() int {
	for _, d := range c.servers {
		var known struct {
			Meta struct {
				Leader string
			} `json:"meta_cluster"`
		}
		var n int
		if d.cmd == nil || d.stopped || d.ask("jsz", &known) != nil {
			continue
		}
		if _, err := fmt.Sscanf(known.Meta.Leader, "n%d", &n); err == nil {
			return n
		}
	}
	return 0
}

// Pid is that of a server's process.
func (c *Servers) Pid(i int) int { return c.servers[i-1].cmd.Process.Pid }

// Kill ends a server with SIGKILL, and returns when it has ended.
func (c *Servers) Kill(i int) error {
	d := c.servers[i-1]
	if d.cmd == nil {
		return nil
	}
	err := d.cmd.Process.Kill()
	_ = d.cmd.Wait() // it says how the server ended, which is known
	d.cmd, d.stopped = nil, false
	return err
}

// Stop has a server do nothing more, with all its connections open (SIGSTOP).
func (c *Servers) Stop(i int) error { return c.signal(i, syscall.SIGSTOP) }

// Continue has a stopped server go on.
func (c *Servers) Continue(i int) error { return c.signal(i, syscall.SIGCONT) }

func (c *Servers) signal(i int, s syscall.Signal) error {
	d := c.servers[i-1]
	if d.cmd == nil {
		return fmt.Errorf("server %d does not run", i)
	}
	d.stopped = s == syscall.SIGSTOP
	return d.cmd.Process.Signal(s)
}

// Restart starts a server that was killed, and waits until it is ready.
func (c *Servers) Restart(i int) error {
	if err := c.start(i); err != nil {
		return err
	}
	return c.Ready()
}

// Close ends all servers and links.
func (c *Servers) Close() error {
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	for i, d := range c.servers {
		errs = append(errs, c.Kill(i+1), d.log.Close())
	}
	c.servers, c.links = nil, nil
	return errors.Join(errs...)
}
