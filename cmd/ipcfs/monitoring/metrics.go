package monitoring

import (
	"bytes"
	"runtime"

	"github.com/ipcfs/ipcfs/nodes"
	"github.com/prometheus/client_golang/prometheus"
)

// makeMetrics is the text that Prometheus reads: of the program and its process, of the tree, and how many
// messages were seen to move.
func (s *Server) makeMetrics() ([]byte, error) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "ipcfs_build_info", Help: "1; the labels say which program it is.",
		ConstLabels: prometheus.Labels{
			"version": s.o.Version, "commit": s.o.Commit, "goversion": runtime.Version(),
		},
	})
	build.Set(1)
	registry := prometheus.NewPedanticRegistry()
	for _, c := range []prometheus.Collector{
		build,
		//lint:ignore SA1019 package collectors has the same two, and links database/sql and expvar
		prometheus.NewProcessCollector(prometheus.ProcessCollectorOpts{}),
		//lint:ignore SA1019 as above
		prometheus.NewGoCollector(),
		s.monitor.Collector(s.labels), s.history,
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	err := nodes.WriteMetrics(&b, registry)
	return b.Bytes(), err
}

// messages are counted by the looks at the tree.
var messages = prometheus.NewDesc("ipcfs_messages_total", "Messages, calls of sockets, that objects took in "+
	"(direction in) and gave out (out), as seen every 5 s: those of an object that came and went between two looks "+
	"are missing.", []string{"class", "direction"}, nil)

// Describe is prometheus.Collector's.
func (*history) Describe(out chan<- *prometheus.Desc) { out <- messages }

// Collect is prometheus.Collector's.
func (h *history) Collect(out chan<- prometheus.Metric) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for class, m := range h.moved {
		out <- prometheus.MustNewConstMetric(messages, prometheus.CounterValue, float64(m.in), class, "in")
		out <- prometheus.MustNewConstMetric(messages, prometheus.CounterValue, float64(m.out), class, "out")
	}
}
