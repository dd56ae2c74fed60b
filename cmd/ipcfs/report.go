package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"strings"
)

// reported are the control files that a report shows.
var reported = []string{"ctl/status", "ctl/limits", "ctl/err"}

// reportedLog is how many lines of the log a report shows.
const reportedLog = 50

// report prints all that an issue about a fault needs.
func report(out io.Writer, list []finding, points []place, hide bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "ipcfs %s, %s, Linux %s, %s\n\n",
		version(), runtime.Version(), sysctlText("kernel/osrelease"), runtime.GOARCH)
	if err := printFindings(&b, list); err != nil {
		return err
	}
	for _, p := range points {
		fmt.Fprintf(&b, "\n== %s %s %s\n", p.Mountpoint, p.FSType, p.VFSOptions)
		v, err := lookAt(p.Info)
		if err != nil {
			return err
		}
		dir := ""
		for _, name := range reported {
			text, err := v.read(name)
			if err != nil {
				text = notLive(p.Info, err).Error() + "\n"
			}
			fmt.Fprintf(&b, "\n-- %s\n%s", name, text)
			if err != nil {
				break // the others would only take time
			}
		}
		if d, err := v.facts("ctl/status.json"); err == nil {
			dir = d.str("state_dir")
		}
		v.Close()
		if log, err := os.ReadFile(dir + "/ipcfs.log"); err == nil && dir != "" {
			fmt.Fprintf(&b, "\n-- the end of %s/ipcfs.log\n%s", dir, lastLines(string(log), reportedLog))
		}
	}
	text := b.String()
	if hide {
		text = withoutNames(text)
	}
	_, err := io.WriteString(out, text)
	return err
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n-1):], "")
}

// withoutNames is a text with a number in the place of each name of an
// object; the same name has the same number.
func withoutNames(text string) string {
	number := map[string]int{}
	// One word (backends.Word). A mark behind it is the sentence's.
	objectPath := regexp.MustCompile(`\b(queues|topics|shm|fifos|sockets)/[^\s;'"()]*[^\s:;,.'"()]`)
	return objectPath.ReplaceAllStringFunc(text, func(path string) string {
		class, name, _ := strings.Cut(path, "/")
		if number[name] == 0 {
			number[name] = len(number) + 1
		}
		return fmt.Sprintf("%s/NAME%d", class, number[name])
	})
}
