package main

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ipcfs/ipcfs/backends/socket"
	"github.com/ipcfs/ipcfs/fs"
	"github.com/ipcfs/ipcfs/mount"
	"github.com/spf13/pflag"
)

// parse is what mountCommand does with a command line.
func parse(t *testing.T, args []string) (settings, error) {
	t.Helper()
	var s settings
	var lists []string
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.StringArrayVarP(&lists, "options", "o", nil, "")
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
		{"none /mnt -o rw,suid,dev,noauto,_netdev,nofail,user,x-systemd.automount,comment=x,defaults,,",
			settings{mountpoint: "/mnt", source: "none"}},
		{"s /mnt -o maxmsg=50,msgsize=1024,shm=page-cache,nonempty,allow_other", settings{
			mountpoint: "/mnt", source: "s",
			tree:    fs.Config{MaxMsg: 50, MsgSize: 1024},
			session: mount.Options{PageCache: true, NonEmpty: true},
			options: []string{"allow_other"},
		}},
		{"--net=any src /mnt -o net=off", settings{
			mountpoint: "/mnt", source: "src", tree: fs.Config{Net: socket.ReachNone},
		}},
		{"--shm=auto --maxmsg 7 /mnt/../mnt/", settings{mountpoint: "/mnt", tree: fs.Config{MaxMsg: 7}}},
	} {
		c.want.tree.StateDir = "/state"
		s, err := parse(t, append(strings.Fields(c.args), "-ostate-dir=/state"))
		if err != nil || !reflect.DeepEqual(s, c.want) {
			t.Errorf("%s: %+v, %v", c.args, s, err)
		}
		// The command line of a daemon says the same.
		if again, err := parse(t, s.args()); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q: %+v, %v", s.args(), again, err)
		}
	}
}

// TestSetting holds that one row makes a setting: its flag, its option, the
// daemon's command line, and the word in ctl/status.
func TestSetting(t *testing.T) {
	var s settings
	defer func(was []setting) { settingTable = was }(settingTable)
	settingTable = append(slices.Clone(settingTable), setting{
		name: "colour", value: "NAME", help: "what it looks like",
		in: func(s *settings) pflag.Value { return (*text)(&s.logFile) },
	})
	for _, args := range [][]string{{"--colour=red", "/mnt"}, {"-o", "ro,colour=red", "src", "/mnt"}} {
		s, err := parse(t, args)
		if err != nil || s.logFile != "red" || !slices.Contains(s.asked(), "colour=red") ||
			!slices.Contains(s.args(), "--colour=red") {
			t.Errorf("%q: %+v, %v", args, s, err)
		}
	}
	_, err := parse(t, []string{"-o", "colour", "/mnt"})
	if err == nil || !strings.Contains(err.Error(), "needs a value") {
		t.Error(err)
	}
	const row = "      --colour NAME     what it looks like\n"
	if _, help, _ := try("mount", "--help"); !strings.Contains(help, row) {
		t.Error(help)
	}
	if s.asked() != nil {
		t.Error("nothing is asked for, and", s.asked())
	}
}

func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	s, err := parse(t, strings.Fields("--state-dir st m"))
	if err != nil || s.tree.StateDir != dir+"/st" || s.mountpoint != dir+"/m" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestDefaultStateDir(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", "/run/user/7")
	want := "/run/user/7/ipcfs"
	if os.Geteuid() == 0 {
		want = "/run/ipcfs"
	}
	if dir := defaultStateDir(); dir != want {
		t.Errorf("%q", dir)
	}
	t.Setenv("XDG_RUNTIME_DIR", "")
	t.Setenv("TMPDIR", "/elsewhere")
	if dir := defaultStateDir(); os.Geteuid() != 0 && !strings.HasPrefix(dir, "/run/user/") &&
		!strings.HasPrefix(dir, "/elsewhere/ipcfs-") {
		t.Errorf("%q", dir)
	}
}

// FuzzOptions holds that any list of mount options is refused or gives settings
// that the command line of a daemon says again.
func FuzzOptions(f *testing.F) {
	for _, s := range []string{
		"", "ro,noatime", "maxmsg=50,msgsize=1024,shm=page-cache,nonempty,allow_other",
		"net=off,net=any", "maxmsg=-1", "maxmsg=4294967296", "state-dir=",
		"x-systemd.automount,comment=x,defaults,,", "maxmsg", "=0", "a=b=c,'\"", "shm=\x00",
	} {
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
