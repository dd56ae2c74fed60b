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
	looks := &backends.Looks{}
	return readerControl("metrics", func(by Caller) (string, error) {
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(collector{kinds, daemon, by.maySearch(), looks}); err != nil {
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
	looks  *backends.Looks
}

// Describe is prometheus.Collector's; which metrics there are depends on the objects.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect is prometheus.Collector's.
func (c collector) Collect(out chan<- prometheus.Metric) {
	tell := func(one prometheus.Metric) { out <- one }
	if facts, err := c.daemon(); err == nil {
		measure(tell, "ipcfs_daemon_", nil, nil, facts)
	}
	for _, k := range c.kinds {
		m := measured{c, k, prefixOf(k), tell, maxMeasured}
		if skipped := m.class(); skipped > 0 {
			desc := prometheus.NewDesc(
				m.prefix+"directories_skipped", "directories that take too long to look into", nil, nil)
			tell(prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(skipped)))
		}
	}
}

func prefixOf(k Kind) string { return "ipcfs_" + strings.ReplaceAll(k.Name, "/", "_") + "_" }

// measured is what is measured of the objects of a class.
type measured struct {
	collector
	kind   Kind
	prefix string
	tell   func(prometheus.Metric)
	left   int // how many more are measured
}

// class measures all of the class. A directory that others can lock too, and keep locked, is not waited for
// long.
func (m *measured) class() int {
	dir := m.kind.Class.At(Seen{})
	if m.kind.Watch == nil {
		return m.all(dir, "", m.share)
	}
	a, err := m.kind.Watch.Stat(Ref{})
	skipped := 0
	if err != nil || !m.part(m.looks.OfClass, a, func(part *measured) { skipped = part.all(dir, "", part.share) }) {
		return 1
	}
	return skipped
}

// all measures what is in a directory, and has below measure each directory in it. It returns how many of
// those were left out.
func (m *measured) all(dir Object, at string, below func(s Seen, name string) bool) (skipped int) {
	d, ok := dir.(Directory)
	if !ok {
		return 0
	}
	list, err := d.List()
	if err != nil {
		return 0
	}
	for _, e := range list {
		if m.left <= 0 {
			break
		}
		s, err := d.Find(e.Name)
		if err != nil {
			continue // it is gone meanwhile
		}
		name := path.Join(at, e.Name)
		if e.Type == syscall.S_IFDIR {
			if m.may(s.Was) && !below(s, name) {
				skipped++
			}
			continue
		}
		m.left--
		if reporter, ok := m.kind.Class.At(s).(Reporter); ok {
			if facts, err := reporter.Report(); err == nil {
				measure(m.tell, m.prefix, []string{"name"}, []string{backends.Word(name)}, facts)
			}
		}
	}
	return skipped
}

// share measures what is in a directory and below, where its owner can have one wait: false if it was left
// out, as it takes too long.
func (m *measured) share(s Seen, name string) bool {
	return m.part(m.looks.Into, s.Was, func(part *measured) { part.whole(s, name) })
}

// part measures by a look at a directory, if that ends soon.
func (m *measured) part(looks func(a Attr, look func()) bool, a Attr, look func(part *measured)) bool {
	var found []prometheus.Metric
	part := *m
	part.tell = func(one prometheus.Metric) { found = append(found, one) }
	if !looks(a, func() { look(&part) }) {
		return false
	}
	for _, one := range found {
		m.tell(one)
	}
	m.left = part.left
	return true
}

// whole measures what is in a directory and below.
func (m *measured) whole(s Seen, name string) bool {
	m.all(m.kind.Class.At(s), name, m.whole)
	return true
}

func measure(tell func(prometheus.Metric), prefix string, labels, values []string, facts []Fact) {
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
		tell(prometheus.MustNewConstMetric(
			prometheus.NewDesc(name, f.Key+" as in the status file", labels, nil), typ, number, values...))
	}
}
