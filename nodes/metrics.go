package nodes

import (
	"io"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// MetricsControl is /ctl/metrics, in the text format of Prometheus: every number of every object's status,
// and those of the daemon. It tells nothing of what lies in directories that its reader may not search.
func MetricsControl(kinds []Kind, daemon func() ([]Fact, error)) Control {
	looks := &backends.Looks{}
	return readerControl("metrics", func(by Caller) (string, error) {
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(collector{kinds, daemon, by.maySearch(), looks}); err != nil {
			return "", err
		}
		var b strings.Builder
		err := WriteMetrics(&b, registry)
		return b.String(), err
	})
}

// WriteMetrics writes what is gathered in the text format of Prometheus.
func WriteMetrics(out io.Writer, from prometheus.Gatherer) error {
	families, err := from.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(out, f); err != nil {
			return err
		}
	}
	return nil
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
	if facts, err := c.daemon(); err == nil {
		measure(out, "ipcfs_daemon_", nil, nil, facts)
	}
	for _, e := range places(c.kinds) {
		e.measure(out)
	}
	for _, k := range c.kinds {
		skipped := objects(k, c.may, c.looks, func(one Surveyed) {
			measure(out, prefixOf(k.Name), []string{"name"}, []string{backends.Word(one.Name)}, one.Facts)
		})
		if skipped > 0 {
			desc := prometheus.NewDesc(prefixOf(k.Name)+"directories_skipped", helpSkipped, nil, nil)
			out <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, float64(skipped))
		}
	}
}

const helpSkipped = "Directories that were left out as they take too long to look into."

func prefixOf(class string) string {
	return "ipcfs_" + strings.NewReplacer("/", "_", "-", "_").Replace(class) + "_"
}

// measure makes metrics of those facts that are numbers.
func measure(out chan<- prometheus.Metric, prefix string, labels, values []string, facts []Fact) {
	for _, f := range facts {
		typ, name := prometheus.GaugeValue, prefix+f.Key
		number, ok := f.number()
		if _, grows := f.Value.(Count); grows {
			typ, name = prometheus.CounterValue, name+"_total"
		}
		if ok {
			desc := prometheus.NewDesc(name, helpOf(f.Key), labels, nil)
			out <- prometheus.MustNewConstMetric(desc, typ, number, values...)
		}
	}
}

// number is the value of a fact that measures something.
func (f Fact) number() (n float64, ok bool) {
	switch v := f.Value.(type) {
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case Count:
		return float64(v), true
	}
	return 0, false
}
