package nodes

import (
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector makes metrics for a viewer: what the daemon and each class does, and the numbers of those objects
// that the viewer is told of by name.
func (m *Monitor) Collector(v Viewer) prometheus.Collector { return monitorCollector{m, v} }

type monitorCollector struct {
	*Monitor
	viewer Viewer
}

// family is a metric with the values of its labels to come.
type family struct {
	desc *prometheus.Desc
	typ  prometheus.ValueType
}

func newFamily(name, help string, typ prometheus.ValueType, labels ...string) family {
	return family{prometheus.NewDesc("ipcfs_"+name, help, labels, nil), typ}
}

func (f family) tell(out chan<- prometheus.Metric, value float64, labels ...string) {
	out <- prometheus.MustNewConstMetric(f.desc, f.typ, value, labels...)
}

// Describe is prometheus.Collector's; which metrics there are depends on the objects.
func (monitorCollector) Describe(chan<- *prometheus.Desc) {}

// Collect is prometheus.Collector's.
func (c monitorCollector) Collect(out chan<- prometheus.Metric) {
	if facts, err := c.Daemon(); err == nil {
		measure(out, "ipcfs_daemon_", nil, nil, facts)
	}
	for _, e := range places(c.Kinds) {
		e.measure(out)
	}
	c.objects(out)
	c.operations(out)
	c.limits(out)
	refused := newFamily("refused_total", "Calls that failed for a reason that an err file tells, by errno.",
		prometheus.CounterValue, "class", "errno")
	for what, n := range c.Failures.Counts() {
		refused.tell(out, float64(n), what.Class, errnoName(what.Errno))
	}
}

// sums are the facts of objects that are added up for each class.
var sums = []string{
	"messages", "bytes", "readers", "writers", "waiting_readers", "waiting_writers", "connections", "lost",
}

// objects tells of the objects, class by class.
func (c monitorCollector) objects(out chan<- prometheus.Metric) {
	type waits struct{ class, side string }
	count, longest, now := map[string]float64{}, map[waits]float64{}, time.Now()
	total := map[string]map[string]float64{}
	for _, key := range sums {
		total[key] = map[string]float64{}
	}
	skipped := c.Objects(c.viewer, func(one Surveyed) {
		count[one.Class]++
		for _, f := range one.Facts {
			if n, ok := f.number(); ok && total[f.Key] != nil {
				total[f.Key][one.Class] += n
			}
			if rows, ok := f.Value.(Rows); ok && f.Key == "wait" {
				for _, w := range WaitsOf(rows) {
					at := waits{one.Class, w.Side}
					longest[at] = max(longest[at], now.Sub(w.Since).Seconds())
				}
			}
		}
		if c.viewer.Names.Has(one.Class, one.Name) {
			measure(out, prefixOf(one.Class), []string{"name"}, []string{backends.Word(one.Name)}, one.Facts)
		}
	})
	tell := func(name, help string, values map[string]float64) {
		f := newFamily(name, help, prometheus.GaugeValue, "class")
		for class, n := range values {
			f.tell(out, n, class)
		}
	}
	tell("objects_seen", "Objects that were looked at: at most 1000 of a class.", count)
	wait := newFamily("longest_wait_seconds", "How long the call waits that waits longest, a reader's or a writer's.",
		prometheus.GaugeValue, "class", "side")
	for at, n := range longest {
		wait.tell(out, n, at.class, at.side)
	}
	for _, key := range sums {
		tell(key, "Sum over the objects of a class. "+helpOf(key), total[key])
	}
	left := newFamily("directories_skipped", helpSkipped, prometheus.GaugeValue, "class")
	for class, n := range skipped {
		left.tell(out, float64(n), class)
	}
}

// operations tells of what was done with the message faces.
func (c monitorCollector) operations(out chan<- prometheus.Metric) {
	const of = " Reads and writes of message faces; what the kernel carries (shm, fifos) is not among them."
	count := newFamily("operations_total", "Calls that have ended."+of, prometheus.CounterValue, "class", "op")
	bytes := newFamily("operation_bytes_total", "Bytes that calls have moved."+of, prometheus.CounterValue,
		"class", "op")
	failed := newFamily("operation_errors_total", "Calls that failed, by errno; EAGAIN is that of O_NONBLOCK."+of,
		prometheus.CounterValue, "class", "op", "errno")
	took := prometheus.NewDesc("ipcfs_operation_seconds",
		"How long the daemon had calls that had not to wait; after the first 1000, one in 16 stands for those since the "+
			"last."+of, []string{"class", "op"}, nil)
	waited := prometheus.NewDesc("ipcfs_wait_seconds",
		"How long calls waited that had to: for a message, or for room."+of, []string{"class", "op"}, nil)
	for _, o := range c.OpStats() {
		count.tell(out, float64(o.Count), o.Class, o.Op)
		bytes.tell(out, float64(o.Bytes), o.Class, o.Op)
		for _, errno := range slices.Sorted(maps.Keys(o.Errors)) {
			failed.tell(out, float64(o.Errors[errno]), o.Class, o.Op, errnoName(errno))
		}
		out <- o.Took.metric(took, o.Class, o.Op)
		out <- o.Waited.metric(waited, o.Class, o.Op)
	}
}

// metric is a histogram as Prometheus has it.
func (h Histogram) metric(desc *prometheus.Desc, labels ...string) prometheus.Metric {
	upTo, buckets := uint64(0), map[float64]uint64{}
	for i, bound := range h.Bounds {
		upTo += uint64(h.Counts[i])
		buckets[bound.Seconds()] = upTo
	}
	return prometheus.MustNewConstHistogram(desc, uint64(h.Count()), h.Sum.Seconds(), buckets, labels...)
}

// limits tells of what can be met.
func (c monitorCollector) limits(out chan<- prometheus.Metric) {
	used := newFamily("limit_used", "How much of a limit is used, in the unit of ctl/limits; of NAME/user, by the "+
		"user other than root who has most.", prometheus.GaugeValue, "limit")
	allowed := newFamily("limit_allowed", "The limit itself; there is none where it is not known or endless.",
		prometheus.GaugeValue, "limit")
	told := map[string]bool{}
	for _, l := range c.Limits() {
		if told[l.Name] {
			continue
		}
		told[l.Name] = true
		if l.Used >= 0 {
			used.tell(out, float64(l.Used), l.Name)
		}
		if l.Limit >= 0 {
			allowed.tell(out, float64(l.Limit), l.Name)
		}
	}
}

// errnoName is an errno as errno(3) has it.
func errnoName(errno syscall.Errno) string {
	if name := backends.ErrnoName(errno); name != "" {
		return name
	}
	return "other"
}
