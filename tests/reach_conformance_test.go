package tests

import (
	"slices"
	"strings"
	"testing"
)

// reachRow is a row of queues that servers elsewhere keep. What removes such a queue takes the messages
// along.
func reachRow(row face) face {
	row.name = strings.TrimPrefix(row.name, "queue/")
	row.make = "touch prod/queues/q; echo prod/queues/q"
	row.ended.left = false
	return row
}

// reachGroup is the row of a group of a topic that servers elsewhere keep. A publisher never waits there.
var reachGroup = func() face {
	row := topicRow("group", "{}", "ctl/{}/group/g", messages, false)
	row.name, row.make, row.ended.left = "group", "touch prod/topics/t; echo prod/topics/t", false
	return row.with("full eintr-write poll-out removed-writer harmless", "it is never full")
}()

var reachRows = []face{
	reachRow(queueRow("data", "{}", "{}", messages)),
	reachRow(queueRow("prio", "ctl/{}/prio/7", "{}", messages)),
	reachRow(queueRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines)),
	reachRow(queueRow("records", "ctl/{}/records", "ctl/{}/records", records)),
	reachRow(queueRow("records-to-data", "ctl/{}/records", "{}", records.as(messages))),
	reachRow(leaseRow),
	reachRow(drainRow),
	reachGroup,
}

// TestReach tries every property of the first face of queues on queues that a NATS server keeps, and of
// groups on topics that it keeps; with -long of all faces of queues, and of some on three servers, each of
// which keeps each object, and with the writer in one tree and the reader in another.
func TestReach(t *testing.T) {
	if !*long {
		conformElsewhere(t, 1, false, "", "data", "group")
		t.Skip("the other faces, three servers and two trees: -long")
	}
	t.Run("one", func(t *testing.T) { conformElsewhere(t, 1, false, "") })
	t.Run("three", func(t *testing.T) { conformElsewhere(t, 3, false, ",replicas=3", "data", "lines", "lease", "group") })
	t.Run("two-trees", func(t *testing.T) { conformElsewhere(t, 1, true, "", "data", "lines", "lease", "group") })
}

// conformElsewhere tries the rows of these names; without names all.
func conformElsewhere(t *testing.T, servers int, apart bool, options string, names ...string) {
	for _, row := range reachRows {
		if len(names) > 0 && !slices.Contains(names, row.name) {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.flags = []string{"--attach", "prod=" + natsServers(t, servers, "").URL() + options}
			row.apart = apart
			conform(t, &row)
		})
	}
}
