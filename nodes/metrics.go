package nodes

import (
	"path"
	"strings"
	"syscall"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// maxMeasured is how many objects of a class are measured one by one; to
// measure more would cost a reader more than it tells.
const maxMeasured = 1000

// MetricsControl is /ctl/metrics, in the text format of Prometheus: every number of every object's status,
// and those of the daemon. It tells nothing of what lies in directories that its reader may not search.
func MetricsControl(kinds []Kind, daemon func() ([]Fact, error)) Control {
	return readerControl("metrics", func(by Caller) (string, error) {
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(collector{kinds, daemon, by.maySearch()}); err != nil {
			return "", err
		}
		families, err := registry.Gather()
		if err != nil {
			return "", err
		}
		var b strings.Builder
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(&b, f); err != nil {
				return "", err
			}
		}
		return b.String(), nil
	})
}

// collector makes metrics of facts: ipcfs_queues_messages{name="jobs"} is the fact messages of queues/jobs.
type collector struct {
	kinds  []Kind
	daemon func() ([]Fact, error)
	may    func(way ...Attr) bool // which directories their reader may search
}

// Describe is prometheus.Collector's; which metrics there are depends on the objects.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect is prometheus.Collector's.
func (c collector) Collect(out chan<- prometheus.Metric) {
	if facts, err := c.daemon(); err == nil {
		measure(out, "ipcfs_daemon_", nil, nil, facts)
	}
	for _, k := range c.kinds {
		c.below(out, k, k.Class.At(Seen{}), "", maxMeasured)
	}
}

// below measures up to left objects in a directory and below, and returns how many it may still measure.
func (c collector) below(out chan<- prometheus.Metric, k Kind, dir Object, at string, left int) int {
	d, ok := dir.(Directory)
	if !ok {
		return left
	}
	list, err := d.List()
	if err != nil {
		return left
	}
	prefix := "ipcfs_" + strings.ReplaceAll(k.Name, "/", "_") + "_"
	for _, e := range list {
		name := path.Join(at, e.Name)
		if left == 0 {
			break
		}
		s, err := d.Find(e.Name)
		if err != nil {
			continue // it is gone meanwhile
		}
		object := k.Class.At(s)
		if e.Type == syscall.S_IFDIR && !c.may(s.Was) {
			continue
		}
		if e.Type == syscall.S_IFDIR {
			left = c.below(out, k, object, name, left)
			continue
		}
		left--
		if reporter, ok := object.(Reporter); ok {
			if facts, err := reporter.Report(); err == nil {
				measure(out, prefix, []string{"name"}, []string{backends.Word(name)}, facts)
			}
		}
	}
	return left
}

func measure(out chan<- prometheus.Metric, prefix string, labels, values []string, facts []Fact) {
	for _, f := range facts {
		typ, name, number := prometheus.GaugeValue, prefix+f.Key, 0.0
		switch v := f.Value.(type) {
		case int:
			number = float64(v)
		case int64:
			number = float64(v)
		case Count:
			typ, name, number = prometheus.CounterValue, name+"_total", float64(v)
		default:
			continue
		}
		out <- prometheus.MustNewConstMetric(
			prometheus.NewDesc(name, f.Key+" as in the status file", labels, nil), typ, number, values...)
	}
}
