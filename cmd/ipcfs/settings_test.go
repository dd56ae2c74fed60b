package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// parse is what mountCommand does with a command line.
func parse(t *testing.T, args []string) (settings, error) {
	t.Helper()
	var s settings
	var lists []string
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.StringArrayVarP(&lists, "options", "o", nil, "")
	f.StringVar(&s.stateDir, "state-dir", "", "")
	s.register(f)
	if err := f.Parse(args); err != nil {
		return s, err
	}
	for _, list := range lists {
		if err := s.parseOptions(f, list); err != nil {
			return s, err
		}
	}
	return s, s.places(f.Args())
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args string
		want settings
	}{
		{"/mnt", settings{mountpoint: "/mnt"}},
		{"src /mnt -o ro,noatime", settings{mountpoint: "/mnt", source: "src", options: []string{"ro", "noatime"}}},
		{"-o ro src -o noexec /mnt", settings{mountpoint: "/mnt", source: "src", options: []string{"ro", "noexec"}}},
		{"none /mnt -o rw,suid,dev,noauto,_netdev,nofail,user,x-systemd.automount,comment=x,defaults,,", settings{mountpoint: "/mnt", source: "none"}},
		{"s /mnt -o maxmsg=50,msgsize=1024,shm=page-cache,nonempty,allow_other", settings{mountpoint: "/mnt", source: "s", maxMsg: 50, msgSize: 1024,
			pageCache: true, nonEmpty: true, options: []string{"allow_other"}}},
		{"--net=any src /mnt -o net=off", settings{mountpoint: "/mnt", source: "src", net: "off"}},
		{"--shm=auto --maxmsg 7 /mnt/../mnt/", settings{mountpoint: "/mnt", maxMsg: 7}},
	} {
		c.want.stateDir = "/state"
		s, err := parse(t, append(strings.Fields(c.args), "-ostate-dir=/state"))
		if err != nil || !reflect.DeepEqual(s, c.want) {
			t.Errorf("%s: %+v, %v", c.args, s, err)
		}
		// What a daemon is started with says the same.
		if again, err := parse(t, s.args()); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q: %+v, %v", s.args(), again, err)
		}
	}
}

func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s, err := parse(t, strings.Fields("--state-dir st m"))
	if err != nil || s.stateDir != dir+"/st" || s.mountpoint != dir+"/m" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDefaultStateDir(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	want := "/run/user/7/ipcfs"
	if os.Geteuid() == 0 {
		want = "/run/ipcfs"
	}
	if dir, err := defaultStateDir(); dir != want || err != nil {
		t.Errorf("%q, %v", dir, err)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	if _, err := defaultStateDir(); os.Geteuid() != 0 && (err == nil || !strings.Contains(err.Error(), "--state-dir")) {
		t.Errorf("%v", err)
	}
}

// FuzzOptions holds that any list of mount options is refused or gives settings that the command line of a daemon says again.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{"", "ro,noatime", "maxmsg=50,msgsize=1024,shm=page-cache,nonempty,allow_other", "net=off,net=any", "maxmsg=-1",
		"maxmsg=4294967296", "state-dir=", "x-systemd.automount,comment=x,defaults,,", "maxmsg", "=0", "a=b=c,'\"", "shm=\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		s, err := parse(t, []string{"src", "/mnt", "-o", list, "--state-dir=/state"})
		if err != nil {
			return
		}
		again, err := parse(t, s.args())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q: %+v became %+v, %v", list, s, again, err)
		}
	})
}
