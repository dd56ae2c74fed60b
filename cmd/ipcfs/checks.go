package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// checks are what doctor looks at on a machine, in the order of its report.
var checks = []func() []finding{
	checkDevice, checkKernel, checkMount, checkQueues, checkNamespaces, checkTimeouts, checkLogind, checkUpdatedb,
}

// checkDevice looks whether /dev/fuse can be opened.
func checkDevice() []finding {
	switch err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err {
	case nil:
		return []finding{ok("/dev/fuse is open to you")}
	case unix.ENOENT, unix.ENXIO, unix.ENODEV:
		return []finding{fail(noDevice(), "there is no /dev/fuse")}
	default:
		return []finding{fail(openDevice(), "/dev/fuse: %v", err)}
	}
}

// checkKernel looks what the kernel can do.
func checkKernel() []finding {
	release := sysctlText("kernel/osrelease")
	var major, minor int
	_, _ = fmt.Sscanf(release, "%d.%d", &major, &minor)
	var has, lacks []string
	for _, one := range []struct {
		what string
		is   bool
	}{
		{"passthrough", major > 6 || major == 6 && minor >= 9},
		{"NOTIFY_RESEND", major > 6 || major == 6 && minor >= 9},
		{"mq", exists("/proc/sys/fs/mqueue")}, {"SysV", exists("/proc/sysvipc/msg")},
	} {
		if one.is {
			has = append(has, one.what)
		} else {
			lacks = append(lacks, one.what)
		}
	}
	list := []finding{ok("Linux %s has %s", release, strings.Join(has, ", "))}
	if len(lacks) > 0 {
		list = append(list, warn("", "Linux %s has no %s (passthrough and NOTIFY_RESEND are from 6.9)",
			release, strings.Join(lacks, ", ")))
	}
	if slices.Contains(lacks, "NOTIFY_RESEND") {
		list = append(list, warn("", "without NOTIFY_RESEND there is no keeper: "+
			"a daemon that dies ends the mount, and there is no upgrade in place"))
	}
	return list
}

// checkMount looks how this user can mount: with mount(2) or fusermount3.
func checkMount() []finding {
	helper, err := exec.LookPath("fusermount3")
	why, mend := whyNoHelper()
	switch {
	case os.Geteuid() == 0 && !hasCapability(unix.CAP_SYS_ADMIN):
		return []finding{fail(mendMounting(), "root has no CAP_SYS_ADMIN here, and may not mount (`ipcfs run` needs none)")}
	case os.Geteuid() == 0 && err == nil:
		return []finding{ok("mount(2) is yours as root, fusermount3 mounts for users")}
	case os.Geteuid() == 0:
		return []finding{
			ok("mount(2) is yours as root"),
			warn("apt install fuse3", "fusermount3 is not installed: users cannot mount"),
		}
	case err != nil && why != "":
		return []finding{fail(mend+"; apt install fuse3",
			"you are not root, fusermount3 is not installed, and %s (`ipcfs run` may work)", why)}
	case err != nil:
		return []finding{fail("apt install fuse3",
			"you are not root, and fusermount3 is not installed (`ipcfs run` needs neither)")}
	}
	if why != "" {
		return []finding{fail(mend, "fusermount3 cannot mount: %s (`ipcfs run` may work)", why)}
	}
	if nameless() {
		return []finding{fail(nameUser(),
			"fusermount3 mounts for nobody without a name, as uid %d is (`ipcfs run` needs none)", os.Geteuid())}
	}
	return []finding{ok("%s mounts for you", helper)}
}

// nameless reports whether this user has no name, for whom fusermount3 mounts nothing. It asks getpwuid(3),
// as id does, which knows more than /etc/passwd.
func nameless() bool {
	_, none := errors.AsType[*exec.ExitError](exec.Command("id", "-un").Run())
	return none
}

// nameUser is what gives this user a name.
func nameUser() string { return fmt.Sprintf("add the user %d to /etc/passwd, as root", os.Geteuid()) }

// checkQueues looks at what queues need, and their limits.
func checkQueues() []finding {
	var list []finding
	switch at, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("mqueue")); {
	case os.Geteuid() == 0:
		// the daemon has a mount of its own
	case err == nil && len(at) == 0:
		list = append(list, warn("mkdir -p /dev/mqueue && mount -t mqueue mqueue /dev/mqueue, as root",
			"/dev/mqueue is not mounted: `ls queues` shows nothing in a tree that you mount"))
	default:
		list = append(list, ok("the mqueue file system is mounted"))
	}
	if n, err := strconv.Atoi(sysctlText("fs/mqueue/msg_max")); err == nil && n <= 10 {
		list = append(list, deepQueues(n))
	}
	return list
}

// deepQueues says who can have queues that hold more messages than the limit of the kernel.
func deepQueues(most int) finding {
	who, mend := "only as root", raiseSetting("fs.mqueue.msg_max=100")
	if os.Geteuid() == 0 && !hasCapability(unix.CAP_SYS_RESOURCE) {
		who = "only with CAP_SYS_RESOURCE, which root does not have here"
		if contained() {
			mend += ", or --cap-add SYS_RESOURCE"
		}
	}
	return warn(mend, "fs.mqueue.msg_max %d: deeper queues %s", most, who)
}

// runLimit is how long doctor waits for `ipcfs run`.
var runLimit = slowly(10 * time.Second)

// checkNamespaces tries whether `ipcfs run` works: that namespaces can be made says not yet that one may
// mount in them.
func checkNamespaces() []finding {
	if unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) != nil { // which checkDevice has said
		return nil
	}
	self := ipcfs().Path
	limited, end := context.WithTimeout(context.Background(), runLimit)
	defer end()
	try := exec.CommandContext(limited, self, "run", "--", self, "version")
	try.Cancel = func() error { return try.Process.Signal(unix.SIGTERM) } // it removes what it has made
	try.WaitDelay = 2 * time.Second
	var said bytes.Buffer
	try.Stderr = &said
	if err := try.Run(); err != nil {
		why := strings.TrimPrefix(strings.TrimSpace(said.String()), "ipcfs: ")
		why = strings.ReplaceAll(why, "\n", "; ")
		if why == "" {
			why = err.Error()
		}
		return []finding{warn("", "`ipcfs run` does not work here: %s", why)}
	}
	return []finding{ok("private namespaces: `ipcfs run` works")}
}

// checkTimeouts looks for limits that would abort a mount for one long read.
func checkTimeouts() (list []finding) {
	for _, name := range []string{"max_request_timeout", "default_request_timeout"} {
		if n := sysctlText("fs/fuse/" + name); n != "" && n != "0" {
			list = append(list, warn("sysctl fs.fuse."+name+"=0",
				"fs.fuse.%s=%s: reads that wait longer end with EINTR", name, n))
		}
	}
	return list
}

// checkLogind looks whether logind(8) removes what users leave behind when
// they log out, which it does unless told not to.
func checkLogind() []finding {
	if !exists("/run/systemd/users") {
		return nil
	}
	files, _ := filepath.Glob("/etc/systemd/logind.conf.d/*.conf")
	for _, name := range append([]string{"/etc/systemd/logind.conf"}, files...) {
		text, _ := os.ReadFile(name)
		if strings.Contains("\n"+string(text), "\nRemoveIPC=no") {
			return []finding{ok("RemoveIPC=no: objects of users stay when they log out")}
		}
	}
	return []finding{warn("RemoveIPC=no in /etc/systemd/logind.conf",
		"RemoveIPC=yes: queues of users who log out are removed")}
}

// checkUpdatedb looks whether updatedb(8) would walk trees.
func checkUpdatedb() []finding {
	text, err := os.ReadFile("/etc/updatedb.conf")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(strings.TrimSpace(line), "PRUNEFS") && strings.Contains(line, "fuse.ipcfs") {
			return []finding{ok("updatedb leaves fuse.ipcfs out")}
		}
	}
	return []finding{warn("add fuse.ipcfs to PRUNEFS in /etc/updatedb.conf", "updatedb walks the tree")}
}

// tmpfsMagic is TMPFS_MAGIC (statfs(2)).
const tmpfsMagic = 0x01021994

// checkState looks at a state directory, and at who holds its lock.
func checkState(dir string, daemon int) finding {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return warn("", "state in %s: %v", dir, err)
	}
	if st.Type != tmpfsMagic {
		return warn(toTmpfs(dir), "state in %s is on a disk: leases wait for it", dir)
	}
	return ok("state in %s is on a tmpfs, pid %d has its lock", dir, daemon)
}

// sysctlText is a setting of the kernel's, "" if it has none of that name.
func sysctlText(name string) string {
	b, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
