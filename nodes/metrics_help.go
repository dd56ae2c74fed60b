package nodes

import "strings"

// factHelp says what the number of a fact measures, for metrics. The keys are those of the status files.
// A slice, unlike a map, takes no time at the start of the program.
var factHelp = []struct{ key, text string }{
	// of the daemon
	{"requests", "Requests that the kernel made."},
	{"requests_unawaited", "Requests whose sender goes on without an answer: forgetting, closing, interrupting."},
	{"parked", "Requests that wait for others."},
	{"threads", "Threads of the daemon."},
	{"passthrough_failures", "Opens of shared memory whose bytes the kernel did not take over."},
	{"open", "Files of the tree that are open."},
	{"nodes", "Files and directories that the kernel remembers."},
	{"rss", "Memory of the daemon that is not swapped out, in bytes."},
	{"cpu_ms", "Time that the daemon had a processor, in ms."},
	{"restarts", "Workers that were started since the one before had died."},
	{"keeper_rss", "Memory of the keeper that is not swapped out, in bytes."},
	{"upgrades", "Upgrades in place that have ended, done or not."},
	{"upgrades_begun", "Upgrades in place that have begun."},
	// of an attachment
	{"up", "1 while there is a link to the servers, else 0."},
	{"reconnects", "How often the link was there again."},
	{"unsettled", "Questions to the servers that have no answer yet."},
	{"repeated", "Questions that were asked again, as there was no answer in time."},
	{"duplicates", "Messages that the servers took for ones they had."},
	{"open_queues", "Queues there that are open here."},
	{"max_payload", "Bytes that the servers take at once."},
	{"rtt_us", "How long the way there and back takes, in µs."},
	// of objects
	{"accepted", "Calls that were accepted."},
	{"allocated", "Memory that the object takes, in bytes; a part that was never written takes none."},
	{"backlog", "Calls that may wait to be accepted."},
	{"bytes", "Bytes that wait, or that the memory is long."},
	{"cbytes", "Bytes that wait."},
	{"connections", "Connections that are open through the tree."},
	{"dialled", "Calls that were made through the tree."},
	{"groups", "Groups of readers who share the messages."},
	{"leases", "Messages that are out on lease."},
	{"links", "Names of the object."},
	{"lost", "Messages that a slow reader lost."},
	{"maxmsg", "Messages that fit into a queue; of the daemon, into a new one."},
	{"memory", "Memory that is kept for slow readers, in bytes."},
	{"messages", "Messages that wait, or that are kept."},
	{"msgsize", "Bytes that a message may have; of the daemon, in a new queue."},
	{"nattch", "Processes that have the segment attached."},
	{"next_bytes", "Bytes of the message that waits, where there is one."},
	{"parked_readers", "Reads that wait for a message."},
	{"parked_writers", "Writes that wait for room."},
	{"priorities", "Different priorities that may be in use at a time."},
	{"published", "Messages that were published."},
	{"published_bytes", "Bytes of the messages that were published."},
	{"qbytes", "Bytes that may wait."},
	{"qnum", "Messages that wait."},
	{"readers", "Files that are open to be read."},
	{"received", "Messages that were received through the tree; of topics, counted for each reader."},
	{"received_bytes", "Bytes that were received through the tree; of topics, counted for each reader."},
	{"replicas", "Servers that keep the queue."},
	{"sent", "Messages that were sent through the tree."},
	{"sent_bytes", "Bytes that were sent through the tree."},
	{"waiting_calls", "Calls that wait until they are accepted."},
	{"waiting_readers", "Those who wait for a message or a call, in read(2), open(2) or poll(2)."},
	{"waiting_writers", "Those who wait for room, or for who takes their call, in write(2), open(2) or poll(2)."},
	{"watchers", "Readers who hear of changes of the value."},
	{"writers", "Files that are open to be written."},
}

// helpOf is what the number of a fact measures.
func helpOf(key string) string {
	for _, f := range factHelp {
		if f.key == key {
			return f.text
		}
	}
	if class, ok := strings.CutPrefix(key, "objects_"); ok {
		return "Objects of the class " + class + "."
	}
	return "The number that status files call " + key + "."
}
