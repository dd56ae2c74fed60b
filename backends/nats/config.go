// Package nats owns queues and topics that NATS servers with JetStream keep, for many machines. Package
// backends has the words it speaks.
//
// A Config is one attachment, and makes the options of its connection. A Link is the connection: it sends,
// takes what arrives, and asks again what has no answer. Queues and Topics are what is kept there by name, a
// Lease is a message that is lent. An End is an open queue, a TopicEnd an open topic and a MemberEnd one of a
// member of a group: Endpoints, whose tries may answer backends.ErrUnsettled. Names of queues, topics and
// groups are escaped in those of streams, subjects and consumers.
//
// All is safe for concurrent use: one lock, the Link's, guards what is known of the servers. What is asked
// about a name is waited for, each question for Config.Timeout at most; a try of an Endpoint waits for
// nothing.
//
// Errors are EHOSTDOWN without a connection, ETIMEDOUT where no answer came, EACCES for what the account may
// not do, EDQUOT for its limits and EIO for all else that the servers say, in their words (refuse.go);
// besides ENOENT, EEXIST, ESTALE, EMSGSIZE, and backends.ErrWouldBlock, ErrUnsettled and ErrRemoved. Packages
// nodes and fs call it. It was written for nats-server 2.12; older ones take no batches, and messages go one
// by one.
package nats

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Config is one attachment: which servers, how the daemon shows who it is, and what it asks of them. No field
// holds a secret: those are in files, which only their owner may read.
type Config struct {
	Servers []string // nats://HOST:PORT, or tls:// if nothing may go in the clear

	Creds     string // file of a user's JWT and seed, as nsc makes it
	NKey      string // file of a seed
	User      string
	Password  string        // file
	Token     string        // file
	CA        string        // file of the certificates that the server's is to be signed by; "": those of the system
	Cert, Key string        // files of the daemon's own certificate
	Timeout   time.Duration // how long an answer is waited for, 1 s to 10 min
	Uid, Gid  uint32        // of a queue or topic whose owner this machine does not know
	Mode      uint32        // of one that says none
	Rules     QueueRules    // of a new queue of which they are not said; Replicas also of a new topic
}

// defaultTimeout is how long an answer may be on its way: longer than a cluster takes to find a new leader.
const defaultTimeout = 15 * time.Second

// attachOptions are what may stand behind the servers of an attachment.
var attachOptions = []struct {
	name string
	set  func(c *Config, value string) error
}{
	{"creds", fileOption(func(c *Config) *string { return &c.Creds })},
	{"nkey", fileOption(func(c *Config) *string { return &c.NKey })},
	{"user", func(c *Config, v string) error { c.User = v; return nil }},
	{"password", fileOption(func(c *Config) *string { return &c.Password })},
	{"token", fileOption(func(c *Config) *string { return &c.Token })},
	{"ca", fileOption(func(c *Config) *string { return &c.CA })},
	{"cert", fileOption(func(c *Config) *string { return &c.Cert })},
	{"key", fileOption(func(c *Config) *string { return &c.Key })},
	{"timeout", func(c *Config, v string) (err error) {
		c.Timeout, err = time.ParseDuration(v)
		if err != nil || c.Timeout < time.Second || c.Timeout > 10*time.Minute {
			return errors.New("it is a time from 1s to 10m")
		}
		return nil
	}},
	{"redeliver", func(c *Config, v string) error { return c.Rules.Ask("redeliver", v) }},
	{"uid", idOption(func(c *Config) *uint32 { return &c.Uid })},
	{"gid", idOption(func(c *Config) *uint32 { return &c.Gid })},
	{"mode", func(c *Config, v string) error {
		n, err := strconv.ParseUint(v, 8, 32)
		if err != nil || n > 0777 {
			return errors.New("it is an octal number up to 777")
		}
		c.Mode = uint32(n)
		return nil
	}},
	{"replicas", func(c *Config, v string) error { return c.Rules.Ask("replicas", v) }},
}

// fileOption sets the path of a file. The value is not repeated: it may be a secret that somebody typed.
func fileOption(in func(*Config) *string) func(*Config, string) error {
	return func(c *Config, v string) error {
		if !filepath.IsAbs(v) {
			return errors.New("it is the path of a file, from / on")
		}
		*in(c) = v
		return nil
	}
}

// idOption sets the number of a user or a group.
func idOption(in func(*Config) *uint32) func(*Config, string) error {
	return func(c *Config, v string) error {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return errors.New("it is the number of a user or group")
		}
		*in(c) = uint32(n)
		return nil
	}
}

// ParseAttach takes apart what --attach is given: NAME=nats://HOST:PORT, with more servers of the same
// cluster and options behind it, separated by commas; or NAME=FILE, where FILE, from / on, has the same, one
// on a line.
func ParseAttach(text string) (name string, c Config, err error) {
	name, rest, found := strings.Cut(text, "=")
	if !found {
		return "", c, errors.New("an attachment is NAME=nats://HOST:PORT or NAME=/FILE")
	}
	if err := checkName(name); err != nil {
		return "", c, err
	}
	items := strings.Split(rest, ",")
	if filepath.IsAbs(rest) {
		body, err := readFile(rest, false)
		if err != nil {
			return "", c, fmt.Errorf("%s: %w", name, err)
		}
		items = lines(body)
	}
	c = Config{
		Timeout: defaultTimeout, Rules: defaultRules,
		Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0644,
	}
	for _, item := range items {
		if err := c.add(strings.TrimSpace(item)); err != nil {
			return "", c, fmt.Errorf("%s: %w", name, err)
		}
	}
	if err := c.check(); err != nil {
		return "", c, fmt.Errorf("%s: %w", name, err)
	}
	return name, c, nil
}

// lines are those of a file that say something.
func lines(body []byte) (list []string) {
	for line := range strings.Lines(string(body)) {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// checkName refuses what would not do as the name of a directory beside those of the tree, and in texts.
func checkName(name string) error {
	if name == "" || len(name) > 64 || name[0] == '-' {
		return errors.New("the name of an attachment has 1 to 64 characters, and does not begin with -")
	}
	for _, c := range []byte(name) {
		if !plain(c) {
			return errors.New("the name of an attachment has letters, digits, - and _")
		}
	}
	return nil
}

// add takes one server or option.
func (c *Config) add(item string) error {
	if strings.Contains(item, "://") {
		server, err := checkServer(item)
		c.Servers = append(c.Servers, server)
		return err
	}
	name, value, valued := strings.Cut(item, "=")
	for _, o := range attachOptions {
		if o.name != name || !valued {
			continue
		}
		if err := o.set(c, value); err != nil {
			return fmt.Errorf("%s=: %w", name, err)
		}
		return nil
	}
	var names []string
	for _, o := range attachOptions {
		names = append(names, o.name+"=")
	}
	options := strings.Join(names, " ")
	switch {
	case valued && plainWord(name): // its value may be a secret
		return fmt.Errorf("%s= is no option: after the servers come %s", name, options)
	case len(c.Servers) == 0:
		return errors.New("it does not begin with a server: " + serverForm)
	}
	return fmt.Errorf("a word is neither a server (%s) nor an option (%s)", serverForm, options)
}

// serverForm is how a server is written.
const serverForm = "nats://HOST:PORT or tls://HOST:PORT"

// plainWord reports whether a word looks like the name of an option: it may be repeated, and is no part of a
// secret that somebody put there.
func plainWord(word string) bool {
	letter := func(r rune) bool { return 'a' <= r && r <= 'z' }
	return word != "" && len(word) <= 12 && strings.TrimFunc(word, letter) == ""
}

// checkServer refuses a URL that holds a secret: everybody can see the command lines of processes.
func checkServer(item string) (string, error) {
	u, err := url.Parse(item)
	switch {
	case strings.Contains(item, "@") || err == nil && u.User != nil:
		return "", errors.New("no user, password or token in the URL of a server, ps shows it to everybody: " +
			"put it into a file with mode 0600, and give user=NAME,password=/FILE, token=/FILE or creds=/FILE")
	case err != nil || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return "", errors.New("a server is " + serverForm)
	case u.Scheme != "nats" && u.Scheme != "tls":
		return "", errors.New("a server is nats://HOST:PORT, or tls://HOST:PORT, no other scheme is known")
	}
	return u.Scheme + "://" + u.Host, nil
}

// check refuses what does not go together.
func (c *Config) check() error {
	ways := 0
	for _, file := range []string{c.Creds, c.NKey, c.User, c.Token} {
		if file != "" {
			ways++
		}
	}
	switch {
	case len(c.Servers) == 0:
		return errors.New("it names no server: nats://HOST:PORT")
	case ways > 1:
		return errors.New("one of creds=, nkey=, user= and token= is enough")
	case (c.User == "") != (c.Password == ""):
		return errors.New("user=NAME and password=/FILE go together")
	case (c.Cert == "") != (c.Key == ""):
		return errors.New("cert=/FILE and key=/FILE go together")
	}
	return nil
}
