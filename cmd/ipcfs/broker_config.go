package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// clusterPort is where the servers of a cluster meet.
const clusterPort = "6222"

// config is the server's configuration. DIR/local.conf is the user's, for TLS, MQTT and whatever else the
// server can.
func (b *broker) config(token string) string {
	host, port, _ := net.SplitHostPort(b.listen)
	if host == "" {
		host = "0.0.0.0"
	}
	var c strings.Builder
	c.WriteString("# ipcfs broker writes this each time it starts. What is in local.conf beside it counts, too.\n")
	fmt.Fprintf(&c, "server_name: %q\n", b.name())
	fmt.Fprintf(&c, "listen: %q\n", net.JoinHostPort(host, port))
	fmt.Fprintf(&c, "authorization { token: %q }\n", token)
	fmt.Fprintf(&c, "jetstream { store_dir: %q, sync_interval: %s }\n", b.store, b.sync)
	if len(b.peers) > 0 {
		fmt.Fprintf(&c, "cluster {\n  name: ipcfs\n  listen: %q\n", net.JoinHostPort(host, clusterPort))
		fmt.Fprintf(&c, "  authorization { user: ipcfs, password: %q }\n  routes: [\n", token)
		for _, p := range b.peers {
			fmt.Fprintf(&c, "    \"nats://ipcfs:%s@%s\"\n", token, net.JoinHostPort(p, clusterPort))
		}
		c.WriteString("  ]\n}\n")
	}
	if _, err := os.Stat(b.localFile()); err == nil {
		c.WriteString("include \"./local.conf\"\n")
	}
	return c.String()
}

func (b *broker) localFile() string { return filepath.Join(b.store, "local.conf") }

// name is the server's: another one for each of a cluster, and the same after a restart.
func (b *broker) name() string {
	if len(b.peers) > 0 {
		host, _, _ := net.SplitHostPort(b.listen)
		return host
	}
	name, err := os.Hostname()
	if err != nil {
		return "ipcfs"
	}
	return name
}

// attachment is what --attach is given on a machine that has the token in the same file.
func (b *broker) attachment() string {
	host, port, _ := net.SplitHostPort(b.listen)
	hosts := b.peers
	if len(hosts) == 0 {
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = b.name()
		}
		hosts = []string{host}
	}
	var items []string
	for _, h := range hosts {
		items = append(items, "nats://"+net.JoinHostPort(h, port))
	}
	items = append(items, "token="+b.tokenFile())
	if len(b.peers) > 0 {
		items = append(items, fmt.Sprint("replicas=", min(3, len(b.peers))))
	}
	return strings.Join(items, ",")
}

// warn says what other machines need, if they can reach it.
func (b *broker) warn() {
	host, _, _ := net.SplitHostPort(b.listen)
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || host == "localhost" {
		return
	}
	fmt.Fprintf(os.Stderr, "ipcfs: other machines need a copy of %s, with mode 0600; "+
		"three brokers have the same one\n", b.tokenFile())
	if _, err := os.Stat(b.localFile()); err != nil {
		fmt.Fprintf(os.Stderr, "ipcfs: the token and all messages go in the clear: %s may ask for TLS\n", b.localFile())
	}
}
