package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Report is what was measured, and where.
type Report struct {
	Version string   `json:"version"`
	Kernel  string   `json:"kernel"`
	Go      string   `json:"go"`
	Cpus    []int    `json:"cpus"`        // those the processes of a run could run on
	Daemon  []int    `json:"daemon_cpus"` // and those the daemon could
	Runs    int      `json:"runs"`
	Results []Result `json:"results"`
}

// Result is what one case costs on each side.
type Result struct {
	Name     string  `json:"name"`
	Bytes    int     `json:"bytes"` // of a message
	Native   *Sample `json:"native"`
	Mounted  *Sample `json:"mounted"`
	Floor    *Sample `json:"floor,omitempty"`
	NoFloor  string  `json:"no_floor,omitempty"` // why not
	Requests float64 `json:"requests,omitempty"` // to the daemon for one operation, that the caller waits for
	Target   Target  `json:"target,omitzero"`
	Failed   string  `json:"failed,omitempty"` // why it could not be measured
}

// Sample is the time an operation took, in ns, over all runs.
type Sample struct {
	Median float64   `json:"median_ns"`
	Runs   []float64 `json:"runs_ns"` // sorted
}

// Target is how many times the median of another side the mounted one may at most take.
type Target struct {
	Most float64 `json:"most"`
	Of   string  `json:"of"` // "native" or "floor"
}

func sample(times []float64) *Sample {
	slices.Sort(times)
	n := len(times)
	return &Sample{Median: (times[(n-1)/2] + times[n/2]) / 2, Runs: times}
}

// ratio is how many times s the mounted side takes; 0 without s.
func (r Result) ratio(s *Sample) float64 {
	if s == nil {
		return 0
	}
	return r.Mounted.Median / s.Median
}

// verdict says whether the target was reached.
func (r Result) verdict() string {
	ratio := r.ratio(r.Native)
	if r.Target.Of == "floor" {
		ratio = r.ratio(r.Floor)
	}
	switch {
	case r.Target.Most == 0 || ratio == 0:
		return ""
	case ratio <= r.Target.Most:
		return fmt.Sprintf("at most %.2f x %s: yes", r.Target.Most, r.Target.Of)
	}
	return fmt.Sprintf("at most %.2f x %s: NO", r.Target.Most, r.Target.Of)
}

// NewReport is a report of what is known before anything was measured.
func NewReport(version string, runs, daemon int) Report {
	r := Report{Version: version, Go: runtime.Version(), Runs: runs, Cpus: allowed(0), Daemon: allowed(daemon)}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		r.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return r
}

// allowed are the processors a process may run on (sched_getaffinity(2)); none if that cannot be known.
func allowed(pid int) []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(pid, &set); err != nil {
		return nil
	}
	var list []int
	for i := range len(set) * strconv.IntSize {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	return list
}

// Head is what stands above the rows of the table.
func (r Report) Head() string {
	where := func(cpus []int) string {
		return strings.Trim(strings.Join(strings.Fields(fmt.Sprint(cpus)), ","), "[]")
	}
	return fmt.Sprintf("ipcfs %s, Linux %s, %s\n"+
		"programs on processor %s, daemon on %s; medians of %d runs\n\n%s",
		r.Version, r.Kernel, r.Go, where(r.Cpus), where(r.Daemon), r.Runs,
		rowf("", "native", "mounted", "ratio", "floor", "ratio", "target"))
}

// Row is a result's line of the table.
func (r Result) Row() string {
	if r.Failed != "" {
		return fmt.Sprintf("%-17s not measured: %s\n", r.Name, r.Failed)
	}
	times := func(f float64) string {
		if f == 0 {
			return ""
		}
		return fmt.Sprintf("%.2f", f)
	}
	note := r.verdict()
	if r.Requests > 0 {
		note = fmt.Sprintf("%.3g requests that the caller waits for", r.Requests)
	}
	return rowf(r.Name, r.Native.String(), r.Mounted.String(), times(r.ratio(r.Native)), r.Floor.String(),
		times(r.ratio(r.Floor)), note)
}

func rowf(cells ...any) string {
	return strings.TrimRight(fmt.Sprintf("%-17s %9s %9s %6s %9s %6s  %s", cells...), " ") + "\n"
}

func (s *Sample) String() string {
	switch {
	case s == nil:
		return ""
	case s.Median < 1000:
		return fmt.Sprintf("%.0f ns", s.Median)
	}
	return fmt.Sprintf("%.1f µs", s.Median/1000)
}

// Left counts the cases that could not be measured.
func (r Report) Left() (n int) {
	for _, one := range r.Results {
		if one.Failed != "" {
			n++
		}
	}
	return n
}

// Foot explains the table.
func (r Report) Foot() string {
	foot := `
Time for one operation: a message written and read back by one process; for
"ping", sent to another process and answered; for "lines", moved from one process
to another; for "echo", opened, written, closed, and taken by the reader.
"ratio" is mounted against what stands before it.
floor: the least a FUSE daemon can do. It accepts each write and answers each read
at once, with nothing behind it: what is left is two trips through the kernel to
another process and back. No file that a daemon serves can be faster; what a queue
takes beyond it are mq_send, mq_receive and the work of ipcfs.
`
	for _, one := range r.Results {
		if one.NoFloor != "" {
			foot += "No floor for " + one.Name + ": " + one.NoFloor + "\n"
		}
	}
	return foot
}

// JSON writes the report for programs.
func (r Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
