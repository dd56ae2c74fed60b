package tests

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// viewer asks the listener of a tree for its texts.
type viewer struct {
	*testing.T
	tr      *tree
	address string
	client  http.Client
}

// watchTree mounts a tree that serves metrics at an address.
func watchTree(t *testing.T, address string, flags ...string) *viewer {
	t.Helper()
	w := &viewer{T: t, tr: bareTree(t), address: address}
	if address == "unix" {
		w.address = w.tr.work + "/metrics.sock"
		address = "unix:metrics.sock"
	}
	w.tr.mounted(t, append(flags, "--metrics-listen", address)...)
	if address == "127.0.0.1:0" {
		m := regexp.MustCompile(`page are served" address=(\S+)`).FindStringSubmatch(w.tr.logs())
		if m == nil {
			t.Fatal(w.tr.logs())
		}
		w.address = m[1]
	}
	w.client.Transport = w.transport()
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

func (w *viewer) transport() *http.Transport {
	return &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return w.dial() }}
}

func (w *viewer) dial() (net.Conn, error) {
	if strings.HasPrefix(w.address, "/") {
		return net.Dial("unix", w.address)
	}
	return net.Dial("tcp", w.address)
}

// ask sends one request, and returns the status and the text of its answer.
func (w *viewer) ask(method, host, path string) (int, string) {
	w.Helper()
	r, err := http.NewRequest(method, "http://"+host+path, nil)
	check(w.T, err)
	answer, err := w.client.Do(r)
	check(w.T, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	check(w.T, err)
	return answer.StatusCode, string(text)
}

// text waits until a text of the listener has what matches a pattern, and returns it.
func (w *viewer) text(path, pattern string) (text string) {
	w.Helper()
	p := regexp.MustCompile(pattern)
	if !eventually(patience, func() bool { _, text = w.ask("GET", "localhost", path); return p.MatchString(text) }) {
		w.Fatalf("no %s in\n%s", pattern, text)
	}
	return text
}

// TestMonitor: what is told over a Unix socket, which is its owner's alone.
func TestMonitor(t *testing.T) {
	t.Parallel()
	w := watchTree(t, "unix", "--metrics-names", "queues/a*")
	st, err := os.Stat(w.address)
	check(t, err)
	if st.Mode().Perm() != 0600 {
		t.Errorf("the socket has mode %v", st.Mode())
	}
	forged := "a\nqueues_forged 1\x1b[2J<img src=x onerror=alert(1)>"
	check(t, os.WriteFile(w.tr.mnt+"/queues/"+forged, []byte("one"), 0600))
	check(t, os.WriteFile(w.tr.mnt+"/queues/secret", []byte("two"), 0600))
	if os.WriteFile(w.tr.mnt+"/queues/"+forged, make([]byte, 999), 0600) == nil {
		t.Error("a message was too long, and taken")
	}
	reader := w.tr.command("cat", w.tr.mnt+"/queues/"+forged)
	check(t, reader.Start())
	check(t, w.tr.parked(1))
	defer func() { _ = reader.Process.Kill(); _ = reader.Wait() }()

	text := w.text("/metrics", `ipcfs_waiting_readers{class="queues"} 1`)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	check(t, err)
	for _, name := range []string{
		"process_resident_memory_bytes", "go_goroutines", "ipcfs_build_info", "ipcfs_daemon_requests_total",
		"ipcfs_operation_seconds", "ipcfs_wait_seconds", "ipcfs_operation_errors_total", "ipcfs_refused_total",
		"ipcfs_limit_used", "ipcfs_limit_allowed", "ipcfs_messages_total", "ipcfs_longest_wait_seconds",
		"ipcfs_queues_messages",
	} {
		if families[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	for name, f := range families {
		if help := f.GetHelp(); help == "" || strings.HasPrefix(help, "The number that status files call ") {
			t.Errorf("%s has no help of its own: %q", name, help)
		}
	}
	for _, line := range []string{
		`ipcfs_queues_messages{name="a%0Aqueues_forged%201%1B%5B2J%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E"} 0`,
		`ipcfs_operation_errors_total{class="queues",errno="EMSGSIZE",op="write"} 1`,
		`ipcfs_refused_total{class="queues",errno="EMSGSIZE"} 1`,
		`ipcfs_operation_seconds_count{class="queues",op="write"} 3`,
		`ipcfs_limit_used{limit="RLIMIT_MSGQUEUE"} [1-9].*`,
	} {
		if !regexp.MustCompile(`(?m)^` + strings.NewReplacer(`{`, `\{`, `(`, `\(`, `)`, `\)`).Replace(line) + `$`).
			MatchString(text) {
			t.Errorf("no %s in\n%s", line, text)
		}
	}

	page := w.text("/", `Who waits`)
	for _, not := range []string{"<img", "onerror=alert(1)", "\x1b", "secret"} {
		if strings.Contains(page, not) || strings.Contains(text, not) {
			t.Errorf("%q is told", not)
		}
	}
	if !strings.Contains(page, "message too long") {
		t.Errorf("no reason in\n%s", page)
	}
	for path, want := range map[string]int{"/": 405, "/metrics": 405} {
		if status, _ := w.ask("POST", "localhost", path); status != want {
			t.Errorf("POST %s: %d", path, status)
		}
	}
	if status, text := w.ask("HEAD", "localhost", "/"); status != 200 || text != "" {
		t.Errorf("HEAD: %d %q", status, text)
	}
	if status, _ := w.ask("GET", "localhost", "/../etc/passwd"); status != 404 {
		t.Errorf("another file: %d", status)
	}
	if promtool, err := exec.LookPath("promtool"); err == nil {
		for _, args := range [][]string{
			{"check", "rules", "../packaging/alerts.yml"}, {"test", "rules", "testdata/alerts.yml"},
		} {
			if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
				t.Errorf("promtool %s: %s", args, out)
			}
		}
	}
}

// TestMonitorStranger: over a loopback address, which every local user can reach, a tree tells what it tells
// any user of the machine, whatever name a browser was given for it, and clients who stop keep nobody out.
func TestMonitorStranger(t *testing.T) {
	t.Parallel()
	w := watchTree(t, "127.0.0.1:0")
	for _, dir := range []string{"open", "closed"} {
		check(t, os.Mkdir(w.tr.mnt+"/topics/"+dir, 0755))
		check(t, os.WriteFile(w.tr.mnt+"/topics/"+dir+"/in-"+dir, nil, 0600))
	}
	check(t, os.Chmod(w.tr.mnt+"/topics/closed", 0700))
	check(t, os.WriteFile(w.tr.mnt+"/queues/q", []byte("x"), 0600))
	var silent []net.Conn
	for range 100 {
		c, err := w.dial()
		check(t, err)
		defer c.Close()
		silent = append(silent, c)
	}
	_, err := silent[99].Write([]byte("GET / HTTP/1.1\r\nHost: "))
	check(t, err)
	page := w.text("/", "What there is")
	if os.Getuid() == 0 {
		page = w.text("/", "topics/open/in-open")
	}
	if metrics := w.text("/metrics", "ipcfs_objects_seen"); strings.Contains(page+metrics, "in-closed") ||
		strings.Contains(metrics, `name="`) {
		t.Errorf("a stranger is told too much:\n%s\n%s", page, metrics)
	}
	for host, want := range map[string]int{
		"evil.example": 421, "localhost.evil.example:9": 421, "10.1.2.3": 421, "[::1]:99": 200, "127.0.0.1": 200,
	} {
		if status, _ := w.ask("GET", host, "/"); status != want {
			t.Errorf("Host: %s: %d, want %d", host, status, want)
		}
	}
	// what cannot be had keeps nobody from the tree
	other := w.tr
	_, port, _ := net.SplitHostPort(w.address)
	dir := other.work + "/second"
	check(t, os.Mkdir(dir, 0755))
	out, err := other.run("ipcfs", "--state-dir", other.work+"/other", "--metrics-listen", "localhost:"+port, dir)
	if err != nil || !strings.Contains(out, "no metrics are served: listen tcp 127.0.0.1:"+port) {
		t.Errorf("%v %s", err, out)
	}
	check(t, syscall.Unmount(dir, 0))
	for _, bad := range []string{"0.0.0.0:1", "10.0.0.1:1", "9090", "unix:"} {
		if out, err := other.run("ipcfs", "--metrics-listen", bad, dir); err == nil {
			t.Errorf("%s: %s", bad, out)
		}
	}
}

// TestMonitorBrowser: a browser shows the page, its script renews it, and a name in it is text.
func TestMonitorBrowser(t *testing.T) {
	soak(t)
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs chromium")
	}
	w := watchTree(t, "127.0.0.1:0")
	name := "<b id=planted onclick=alert(1)>x"
	check(t, os.WriteFile(w.tr.mnt+"/queues/"+name, []byte("x"), 0600))
	w.text("/", "queues/%3Cb%20id%3Dplanted")
	browser := w.tr.command(chromium, "--headless", "--no-sandbox", "--disable-gpu",
		"--user-data-dir="+w.tr.work+"/chromium", "--virtual-time-budget=12000", "--dump-dom", "http://"+w.address+"/")
	var said bytes.Buffer
	browser.Stderr = &said
	dom, err := browser.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	for _, want := range []string{"queues/%3Cb%20id%3Dplanted", "<polyline"} {
		if !bytes.Contains(dom, []byte(want)) {
			t.Errorf("no %s in\n%s", want, dom)
		}
	}
	if bytes.Contains(dom, []byte("id=\"planted\"")) || strings.Contains(said.String(), "Content Security Policy") {
		t.Errorf("%s\n%s", dom, &said)
	}
}

// TestMonitorAttached: the page and the metrics tell of what servers keep, as it was heard last, and of the
// way there; and of the rest as before when the servers are gone.
func TestMonitorAttached(t *testing.T) {
	t.Parallel()
	servers := natsServers(t, 1, "")
	before := bareTree(t)
	before.mounted(t, "--attach", "prod="+servers.URL())
	if !eventually(patience, func() bool {
		return os.WriteFile(before.mnt+"/prod/queues/far", []byte("x"), 0600) == nil // there is a link
	}) {
		t.Fatal(before.logs())
	}
	check(t, os.MkdirAll(before.mnt+"/prod/topics/plant", 0755))
	check(t, os.WriteFile(before.mnt+"/prod/topics/plant/t", []byte("y"), 0600))
	_, err := before.umount()
	check(t, err)
	w := watchTree(t, "unix", "--attach", "prod="+servers.URL(), "--metrics-names", "on")
	w.text("/metrics", `(?s)ipcfs_attached_up{attached="prod"} 1\n.*`+
		`ipcfs_prod_queues_maxmsg{name="far"} 10\n.*ipcfs_prod_topics_published_total{name="plant/t"} 1\n`)
	text, err := os.ReadFile(w.tr.mnt + "/ctl/metrics")
	check(t, err)
	if !strings.Contains(string(text), `ipcfs_prod_queues_maxmsg{name="far"} 10`) {
		t.Errorf("%s", text)
	}
	check(t, servers.Kill(1))
	w.text("/metrics", `(?s)ipcfs_attached_up{attached="prod"} 0\n.*ipcfs_prod_queues_maxmsg{name="far"} 10\n`)
	w.text("/", `(?s)prod: the link is down.*prod/queues/far`)
}
