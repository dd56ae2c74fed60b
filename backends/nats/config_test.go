package nats_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends/nats"
)

func TestParseAttach(t *testing.T) {
	file := filepath.Join(t.TempDir(), "prod")
	write(t, file, 0644, "nats://a:4222 # the first\n\n  nats://b \n# who\nuser=alice\npassword=/p\n")
	usual := nats.Config{
		Servers: []string{"nats://a:4222"}, Timeout: 15 * time.Second,
		Rules: nats.QueueRules{MaxMsg: 10, MsgSize: 8192, Priorities: 16, Replicas: 1, Redeliver: 20 * time.Second},
		Uid:   uint32(os.Geteuid()), Gid: uint32(os.Getegid()), Mode: 0644,
	}
	with := func(f func(*nats.Config)) nats.Config {
		c := usual
		f(&c)
		return c
	}
	for text, want := range map[string]nats.Config{
		"prod=nats://a:4222": usual,
		"prod=nats://a:4222,tls://[::1]:4222": with(func(c *nats.Config) {
			c.Servers = append(c.Servers, "tls://[::1]:4222")
		}),
		"prod=nats://a:4222,creds=/c,timeout=2s,replicas=3,ca=/ca,cert=/cert,key=/key": with(func(c *nats.Config) {
			c.Creds, c.Timeout, c.Rules.Replicas, c.CA, c.Cert, c.Key = "/c", 2*time.Second, 3, "/ca", "/cert", "/key"
		}),
		"prod=" + file: with(func(c *nats.Config) {
			c.Servers, c.User, c.Password = []string{"nats://a:4222", "nats://b"}, "alice", "/p"
		}),
	} {
		name, c, err := nats.ParseAttach(text)
		if err != nil || name != "prod" || !reflect.DeepEqual(c, want) {
			t.Errorf("%s: %s %+v %v, want %+v", text, name, c, err, want)
		}
	}
	write(t, file+"2", 0666, "nats://a\n")
	for text, why := range map[string]string{
		"prod":                        "NAME=nats://",
		"=nats://a":                   "1 to 64 characters",
		"-p=nats://a":                 "does not begin with -",
		"a/b=nats://a":                "letters, digits",
		"..=nats://a":                 "letters, digits",
		"p=":                          "does not begin with a server",
		"p=127.0.0.1:4999":            "does not begin with a server: nats://HOST:PORT",
		"p=a:1,token=s3cret":          "does not begin with a server",
		"p=nats://a,b:4222":           "neither a server (nats://HOST:PORT",
		"p=nats://a,colour=s3cret":    "colour= is no option",
		"p=nats://a,s3cret=x":         "nor an option (creds=",
		"p=creds=/c":                  "names no server",
		"p=nats://":                   "nats://HOST:PORT",
		"p=http://a":                  "no other scheme",
		"p=nats://a/b":                "nats://HOST:PORT",
		"p=nats://alice:s3cret@a":     "ps shows it",
		"p=nats://s3cret@a":           "ps shows it",
		"p=nats://al:s3%zz@a":         "ps shows it",
		"p=nats://a,token=s3cret":     "path of a file",
		"p=nats://a,creds=c":          "path of a file",
		"p=nats://a,user=alice":       "go together",
		"p=nats://a,password=/p":      "go together",
		"p=nats://a,key=/k":           "go together",
		"p=nats://a,creds=/c,nkey=/n": "is enough",
		"p=nats://a,user=alice,password=/p,nkey=/": "is enough",
		"p=nats://a,timeout=0":                     "1s to 10m",
		"p=nats://a,replicas=9":                    "1 to 5",
		"p=nats://a,redeliver=1ms":                 "1s to 1h",
		"p=nats://a,mode=888":                      "octal",
		"p=nats://a,uid=alice":                     "number of a user",
		"p=nats://a,tiemout=3s":                    "tiemout= is no option: after the servers come creds= nkey=",
		"p=" + file + "3":                          "no such file",
		"p=" + file + "2":                          "everybody may change it",
	} {
		_, _, err := nats.ParseAttach(text)
		if err == nil || !strings.Contains(err.Error(), why) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want a word of %q", text, err, why)
		}
	}
}

func TestSecretsAreTheOwners(t *testing.T) {
	dir := t.TempDir()
	for mode, why := range map[os.FileMode]string{0600: "", 0400: "", 0640: "chmod 600", 0604: "chmod 600"} {
		file := filepath.Join(dir, mode.String())
		write(t, file, mode, "s3cret\n")
		_, err := nats.Config{Servers: []string{"nats://a"}, Token: file}.Options()
		if why == "" && err != nil || why != "" && (err == nil || !strings.Contains(err.Error(), why)) {
			t.Errorf("%v: %v, want a word of %q", mode, err, why)
		}
	}
	file := filepath.Join(dir, "other")
	write(t, file, 0600, "s3cret\n")
	if os.Geteuid() == 0 {
		check(t, os.Chown(file, 12345, 0))
		_, err := nats.Config{Servers: []string{"nats://a"}, Token: file}.Options()
		if err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
			t.Errorf("another user's secret: %v", err)
		}
	}
	for _, c := range []nats.Config{{Creds: dir}, {NKey: dir + "/none"}, {CA: file}, {Token: "/dev/null"}} {
		if _, err := c.Options(); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func write(t *testing.T, file string, mode os.FileMode, text string) {
	t.Helper()
	check(t, os.WriteFile(file, []byte(text), mode))
	check(t, os.Chmod(file, mode))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
