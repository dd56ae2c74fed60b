// Package monitoring serves what a tree does to those who watch it: metrics for Prometheus, and one page for
// people, over HTTP on a loopback address or a Unix socket. Nothing is written through it.
//
// What it tells: over a Unix socket, which only its owner can open, all that the owner may know; over a
// loopback address, which every local user can reach, what the tree tells any user of the machine
// (docs/security.md). What it costs: a page and a text of metrics are made once a second at most, however
// many ask, in goroutines of their own. Nobody who uses the tree waits for them.
package monitoring

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/nodes"
	"golang.org/x/sys/unix"
)

// Options say where to listen and what to tell.
type Options struct {
	Address    Address
	Names      string // of objects: on, off, a pattern; "": in no label, and on the page as the tree tells them
	Log        *slog.Logger
	Version    string
	Commit     string
	Mountpoint string
}

// Address is where a Server listens: unix:PATH, or a loopback address with a port.
type Address string

// ParseAddress reads an address that a person gave.
func ParseAddress(text string) (Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" || len(path) > 107 {
			return "", errors.New("unix: wants a path of at most 107 bytes behind it (unix(7))")
		}
		return Address(text), nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil || port == "" {
		return "", fmt.Errorf("%q is neither 127.0.0.1:PORT nor unix:PATH", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", fmt.Errorf("port %q is not a number up to 65535", port)
	}
	if !loopback(host) {
		return "", fmt.Errorf("%q is no loopback address: for other machines put a proxy before it that knows who asks",
			host)
	}
	return Address(text), nil
}

// loopback reports whether a host, as people write it in addresses, is this machine itself.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// path is that of a Unix socket; false: it is none.
func (a Address) path() (string, bool) { return strings.CutPrefix(string(a), "unix:") }

// listen begins to listen. Whoever may open a Unix socket is its owner alone. One that nobody listens at any
// more is replaced. It is called while the process makes no other files: it changes the umask for a moment.
func (a Address) listen() (net.Listener, error) {
	path, ok := a.path()
	if !ok {
		return net.Listen("tcp", string(a))
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		if st, err := os.Lstat(path); err == nil && st.Mode().Type() == os.ModeSocket {
			_ = os.Remove(path)
		}
	}
	defer unix.Umask(unix.Umask(0177))
	return net.Listen("unix", path)
}

// Bounds of what clients can make a Server hold, and for how long.
const (
	maxConnections = 64
	maxHeader      = 8 << 10 // bytes
	headerLimit    = 5 * time.Second
	answerLimit    = 15 * time.Second
	idleLimit      = 30 * time.Second
)

// Server tells those who ask what a tree does.
type Server struct {
	o       Options
	monitor *nodes.Monitor
	labels  nodes.Viewer // for metrics
	page    nodes.Viewer
	history *history
	http    http.Server
	texts   map[string]*text
	over    chan struct{}
	ended   sync.WaitGroup
}

//go:embed page.css page.js
var files embed.FS

// Start listens and serves until Close.
func Start(m *nodes.Monitor, o Options) (*Server, error) {
	s := &Server{o: o, monitor: m, over: make(chan struct{})}
	names, err := nodes.ParseNames(o.Names)
	if err != nil {
		return nil, err
	}
	by := nodes.Nobody
	_, private := o.Address.path()
	if private {
		by = nodes.Caller{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Pid: os.Getpid()}
	}
	s.labels = nodes.Viewer{By: by, Names: names}
	s.page = s.labels
	if o.Names == "" && (private || os.Geteuid() == 0) {
		s.page.Names = "*" // a tree of root's tells all users of the machine
	}
	listener, err := o.Address.listen()
	if err != nil {
		return nil, err
	}
	s.history = newHistory(time.Now())
	for _, k := range m.Kinds {
		s.history.moved[k.Name] = counts{}
	}
	s.texts = map[string]*text{
		"/":         {make: s.makePage, typ: "text/html; charset=utf-8"},
		"/metrics":  {make: s.makeMetrics, typ: "text/plain; version=0.0.4; charset=utf-8"},
		"/page.css": {make: asset("page.css"), typ: "text/css; charset=utf-8"},
		"/page.js":  {make: asset("page.js"), typ: "text/javascript; charset=utf-8"},
	}
	s.http = http.Server{
		Handler: s, ReadHeaderTimeout: headerLimit, ReadTimeout: headerLimit, WriteTimeout: answerLimit,
		IdleTimeout: idleLimit, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.http.Protocols = new(http.Protocols)
	s.http.Protocols.SetHTTP1(true)
	o.Log.Info("metrics and a page are served", "address", listener.Addr().String())
	s.ended.Go(func() {
		if err := s.http.Serve(newBounded(listener)); !errors.Is(err, http.ErrServerClosed) {
			o.Log.Error("metrics and the page are served no more", "err", err)
		}
	})
	s.ended.Go(s.sample)
	return s, nil
}

func asset(name string) func() ([]byte, error) {
	return func() ([]byte, error) { return files.ReadFile(name) }
}

// Close ends it, without waiting for clients.
func (s *Server) Close() {
	close(s.over)
	_ = s.http.Close()
	s.ended.Wait()
}

// sample looks at the tree again and again.
func (s *Server) sample() {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		s.look(time.Now())
		select {
		case <-s.over:
			return
		case <-tick.C:
		}
	}
}

// look takes one sample.
func (s *Server) look(now time.Time) {
	var l look
	s.monitor.Objects(s.page, l.add)
	s.history.take(now, l)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	// A page of another origin may neither show this one nor read it, and nothing in it runs but its own
	// script.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	one := s.texts[r.URL.Path]
	switch {
	case !s.ours(r.Host):
		http.Error(w, "this is served for 127.0.0.1 and localhost alone", http.StatusMisdirectedRequest)
		return
	case one == nil:
		http.Error(w, "there are / and /metrics", http.StatusNotFound)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "nothing is written through this", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerLimit/2)
	defer cancel()
	b, err := one.get(ctx, &s.ended)
	if err != nil {
		s.o.Log.Warn("metrics or the page cannot be made", "err", err)
		http.Error(w, "the tree does not answer", http.StatusServiceUnavailable)
		return
	}
	h.Set("Content-Type", one.typ)
	h.Set("Content-Length", fmt.Sprint(len(b)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(b)
	}
}

// ours reports whether a request is meant for this machine: a name of somebody else's that leads to a
// loopback address (DNS rebinding) would have a browser read the page for that somebody.
func (s *Server) ours(host string) bool {
	if _, private := s.o.Address.path(); private {
		return true
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return loopback(host)
}
