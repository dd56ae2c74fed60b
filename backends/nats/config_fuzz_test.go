package nats

import (
	"strings"
	"testing"
)

// FuzzParseAttach: what a person attaches is refused, with the name of what is wrong, or has a name that can
// be a directory's and servers. Files are not read here: a path may be that of a FIFO.
func FuzzParseAttach(f *testing.F) {
	for _, seed := range []string{
		"prod=nats://a:4222", "prod=tls://a,nats://b:1,timeout=2s", "prod=nats://a,redeliver=1h,replicas=3",
		"prod=nats://user:word@a", "prod=", "=nats://a", "-=nats://a", "prod=nats://[::1]:4222,uid=-1", "prod=timeout=1s",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "/") && !strings.Contains(text, "://") || strings.Contains(text, "=/") {
			return
		}
		name, c, err := ParseAttach(text)
		switch {
		case err != nil && err.Error() == "":
			t.Errorf("%q is refused without a word", text)
		case err == nil && (checkName(name) != nil || len(c.Servers) == 0):
			t.Errorf("%q is %q with the servers %q", text, name, c.Servers)
		}
	})
}
