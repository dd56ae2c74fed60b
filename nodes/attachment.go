package nodes

import (
	"time"

	"github.com/ipcfs/ipcfs/backends/nats"
)

// AttachmentControls are the control files of what is attached under a name: ctl/NAME/status and its like.
func AttachmentControls(name string, link *nats.Link) []Control {
	facts := func() []Fact { return linked(link.State()) }
	status := func() (string, error) { return Render(facts()), nil }
	list := []Control{
		TextControl(name+"/status", status),
		watchControl(name+"/watch", name+"/status", status),
		TextControl(name+"/status.json", func() (string, error) { return RenderJSON(facts()) }),
	}
	for i := range list {
		list[i].Restless = []string{"unsettled", "repeated", "duplicates", "rtt_us"}
	}
	return list
}

// LinkMeasured are the facts of a link for metrics.
func LinkMeasured(s nats.State) []Fact {
	up := 0
	if s.Up {
		up = 1
	}
	return append(linked(s), Fact{"up", up})
}

// linked are the facts of a link.
func linked(s nats.State) []Fact {
	state := "down"
	if s.Up {
		state = "up"
	}
	facts := []Fact{
		{"link", state}, {"since", s.Since.Format(time.RFC3339)}, {"servers", List(s.Servers)},
		{"reconnects", Count(max(0, s.Connects-1))}, {"unsettled", s.Unsettled},
		{"repeated", Count(s.Again)}, {"duplicates", Count(s.Doubles)}, {"open_queues", s.Open}, {"leases", s.Leases},
	}
	if s.Why != nil {
		facts = append(facts, Fact{"reason", s.Why.Error()})
	}
	if s.Up {
		facts = append(facts, Fact{"server", s.Server}, Fact{"server_version", s.Version},
			Fact{"max_payload", s.MaxBytes}, Fact{"rtt_us", s.RTT.Microseconds()})
		if s.Cluster != "" {
			facts = append(facts, Fact{"cluster", s.Cluster})
		}
	}
	return facts
}
