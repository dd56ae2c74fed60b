package tests

import (
	"strings"
	"testing"
)

// reachRow is a row of queues that servers elsewhere keep. What removes such a queue takes the messages along.
func reachRow(row face) face {
	row.name = strings.TrimPrefix(row.name, "queue/")
	row.make = "touch prod/queues/q; echo prod/queues/q"
	row.ended.left = false
	return row
}

var reachRows = []face{
	reachRow(queueRow("data", "{}", "{}", messages)),
	reachRow(queueRow("prio", "ctl/{}/prio/7", "{}", messages)),
	reachRow(queueRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines)),
	reachRow(queueRow("records", "ctl/{}/records", "ctl/{}/records", records)),
	reachRow(queueRow("records-to-data", "ctl/{}/records", "{}", records.as(messages))),
	reachRow(leaseRow),
	reachRow(drainRow),
}

// TestReach tries every property of the first face of queues on queues that a NATS server keeps; with -long of
// all their faces, also on three servers, each of which keeps each queue, and with the writer in one tree and the
// reader in another.
func TestReach(t *testing.T) {
	if !*long {
		conformElsewhere(t, reachRows[:1], 1, false, "")
		t.Skip("the other faces, three servers and two trees: -long")
	}
	t.Run("one", func(t *testing.T) { conformElsewhere(t, reachRows, 1, false, "") })
	t.Run("three", func(t *testing.T) { conformElsewhere(t, reachRows, 3, false, ",replicas=3") })
	t.Run("two-trees", func(t *testing.T) { conformElsewhere(t, reachRows, 1, true, "") })
}

func conformElsewhere(t *testing.T, rows []face, servers int, apart bool, options string) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.flags = []string{"--attach", "prod=" + natsServers(t, servers, "").URL() + options}
			row.apart = apart
			if servers > 1 && row.framing.many {
				row = row.with("bounds", "the server that gives messages may know of the last one a little later")
			}
			conform(t, &row)
		})
	}
}
