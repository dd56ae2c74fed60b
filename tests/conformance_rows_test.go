package tests

import "strings"

// idrm is what an object says that tells its users of its removal.
var idrm = removed{reader: "EIDRM", writer: "EIDRM", poll: "ERR", left: true}

// object is a row of an object that each program opens for itself, and that shows nobody a peer.
func object(f face) face {
	f.meet, f.second, f.ended, f.small = apart, another, idrm, 64
	f.dry = "EAGAIN"
	return f.with("removed-outlived", endsWithName).with("last-close poll-gone", noPeer)
}

func queueRow(name, writer, reader string, f framing) face {
	row := object(face{
		name: "queue/" + name, make: "touch queues/q; echo queues/q", sibling: "r", longest: 128, framing: f,
		writer: end{writer, "wronly", 2}, reader: end{reader, "rdonly", 4}, shared: "rdwr",
	})
	if f.whole {
		row = row.with("zero", noZero)
	}
	return row
}

var queueRows = []face{
	queueRow("data", "{}", "{}", messages),
	queueRow("prio", "ctl/{}/prio/7", "{}", messages),
	queueRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines),
	queueRow("records", "ctl/{}/records", "ctl/{}/records", records),
	queueRow("records-to-data", "ctl/{}/records", "{}", records.as(messages)),
	leaseRow,
	drainRow,
}

var leaseRow = func() face {
	row := queueRow("lease", "{}", "ctl/{}/lease", messages.as(leased)).with("zero", noZero)
	row.reader.flags = "rdwr"
	return row
}()

var drainRow = func() face {
	row := queueRow("drain", "{}", "ctl/{}/drain", messages)
	row.dry = ""
	return row.with("fuzz empty eintr-read poll-in removed-reader fork-waits dup two-readers exactly-once",
		"who drains does not wait")
}()

// memoryRow is a row of queues in another store than the kernel's, which is asked over a link.
func memoryRow(row face) face {
	row.name = "mem/" + strings.TrimPrefix(row.name, "queue/")
	row.program, row.make = memoryDaemon, "touch mem/queues/q; echo mem/queues/q"
	return row
}

var memoryRows = []face{
	memoryRow(queueRow("data", "{}", "{}", messages)),
	memoryRow(queueRow("prio", "ctl/{}/prio/7", "{}", messages)),
	memoryRow(queueRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines)),
	memoryRow(queueRow("records", "ctl/{}/records", "ctl/{}/records", records)),
	memoryRow(leaseRow),
	memoryRow(drainRow),
}

func sysvRow(name, writer, reader string, f framing) face {
	row := object(face{
		name: "sysv/" + name, make: "echo sysv/queues/0x51 qbytes=1000 > ctl/new; echo sysv/queues/0x51",
		sibling: "0x52",
		longest: 1000, bulk: 90, framing: f,
		writer: end{writer, "wronly", 2}, reader: end{reader, "rdonly", 4}, shared: "rdwr",
	})
	row.ended.left = false // IPC_RMID takes the messages with it
	if f.whole {
		row = row.with("zero", noZero)
	}
	return row
}

var sysvRows = []face{
	sysvRow("data", "{}", "{}", messages),
	sysvRow("type", "ctl/{}/type/7", "ctl/{}/type/7", messages),
	sysvRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines),
	sysvRow("records", "ctl/{}/records", "ctl/{}/records", records),
}

func topicRow(name, writer, reader string, f framing, copies bool) face {
	row := object(face{
		name: "topic/" + name, make: "echo topics/t slow=block depth=8 > ctl/new; echo topics/t", sibling: "u",
		longest: 1<<20 - 4096, framing: f, copies: copies,
		writer: end{writer, "wronly", 2}, reader: end{reader, "rdonly", 4}, shared: "rdwr",
	})
	if f.whole {
		row = row.with("zero", noZero)
	}
	return row
}

var topicRows = []face{
	topicRow("data", "{}", "{}", messages, true),
	topicRow("lines", "ctl/{}/lines", "ctl/{}/lines", lines, true),
	topicRow("records", "ctl/{}/records", "ctl/{}/records", records, true),
	topicRow("since", "{}", "ctl/{}/since/0", messages, true),
	topicRow("records-since", "{}", "ctl/{}/records@0", messages.as(records), true).with("zero", noZero),
	topicRow("group", "{}", "ctl/{}/group/g", messages, false),
}

// connected is a row of two ends that belong to each other.
func connected(f face) face {
	f.second, f.dry, f.hangup = inChild, "EAGAIN", "IN|HUP"
	if f.framing.whole {
		f = f.with("zero", noZero)
	} else {
		f = f.with("longest", noBounds)
	}
	return f.with("removed-reader removed-writer", outlivesName).
		with("two-readers rest-is-mine exactly-once", oneReader)
}

func socketRow(name, typ string, writer, reader end, f framing) face {
	return connected(face{
		name: "socket/" + name, make: "echo sockets/s type=" + typ + " > ctl/new; echo sockets/s", sibling: "z",
		meet: call, framing: f, bulk: 32 << 10, shared: reader.flags, writer: writer, reader: reader,
		longest: 212992 - 32,
	})
}

// networkRow is a row of stream sockets of a network.
func networkRow(name, kind string, writer, reader end, f framing) face {
	row := socketRow(name, "stream", writer, reader, f)
	row.make = "touch sockets/" + kind + "/:0; echo sockets/" + kind + "/:*"
	row.sibling = "../z"
	row.bulk = 6 << 20 // more than there is ever room for
	row.hangup = "IN"  // our side of the connection goes on
	return row.with("poll-out", "TCP makes room when it likes")
}

// asking is a row whose writer calls when it first writes.
func asking(row face) face {
	row.meet = asks
	return row
}

// datagramRow is a row of UDP: one end listens, and any number of others write to it.
// A message over IPv6, which localhost may mean, could be 20 bytes longer.
func datagramRow(name, reader string, f framing) face {
	row := object(face{
		name: "socket/" + name, make: "touch sockets/udp/:0; echo sockets/udp/:*", longest: 65507, window: 1,
		writer: end{"sockets/udp/127.0.0.1:{port}", "wronly", 0}, reader: end{reader, "rdonly", 4},
		framing: messages.as(f),
	}).with("zero", noZero).
		with("full eintr-write poll-out removed-writer harmless", "what there is no room for is lost").
		with("exactly-once", "what there is no room for is lost, and nobody waits").
		with("anew", "the port of a new one is another").
		with("fork-waits", onePosition)
	row.ended.poll = "IN|ERR|HUP"
	return row
}

// answering is a row whose writer has accepted the call of its reader.
func answering(row face) face {
	row.meet = apart
	return row
}

var (
	dial   = end{"ctl/{}/dial", "rdwr", 2}
	accept = end{"ctl/{}/accept", "rdwr", 4}
	ask    = end{"ctl/{}/call", "rdwr", 2}
)

var socketRows = []face{
	socketRow("stream", "stream", dial, accept, stream),
	socketRow("stream-face", "stream", end{"{}", "wronly", 2}, end{"{}", "rdonly", 4}, stream).
		with("fork-waits", onePosition),
	answering(socketRow("stream-answer", "stream", accept, dial, stream)),
	asking(socketRow("stream-call", "stream", ask, accept, stream)),
	socketRow("seqpacket", "seqpacket", dial, accept, messages),
	socketRow("seqpacket-face", "seqpacket", end{"{}", "wronly", 2}, end{"{}", "rdonly", 4}, messages).
		with("fork-waits", onePosition),
	answering(socketRow("seqpacket-answer", "seqpacket", accept, dial, messages)),
	asking(socketRow("seqpacket-call", "seqpacket", ask, accept, messages)),
	networkRow("tcp", "tcp", end{"sockets/tcp/localhost:{port}", "rdwr", 0}, accept, stream),
	networkRow("tcp-dial", "tcp", dial, accept, stream),
	datagramRow("udp", "{}", records),
	datagramRow("udp-data", "ctl/{}/data", messages),
}

// kernels is why messages of the kernel's own objects may be taken in other ways than by read(2).
const kernels = "the kernel carries them by itself"

// nativeSocketRow is a socket of the kernel's.
func nativeSocketRow(typ string, f framing) face {
	row := connected(face{
		name: "kernel/" + typ, native: true, meet: nativeSocket, writer: end{flags: typ}, framing: f,
		bulk: 32 << 10, longest: 212992 - 32,
	})
	return row.with("removed-outlived anew permission harmless", noName).with("only-read", kernels)
}

// kernelRows are the kernel's own objects. What does not hold for them is not asked of faces.
var kernelRows = []face{
	nativeSocketRow("stream", stream).with("fork-waits", "the kernel wakes all who wait"),
	nativeSocketRow("seqpacket", messages).with("short hand fuzz", dropsRest).
		with("fork-waits", "the kernel wakes all who wait"),
	fifo,
	nativeQueue,
}

var fifo = func() face {
	row := connected(face{
		name: "kernel/fifo", native: true, make: "mkfifo fifos/f; echo fifos/f", sibling: "g",
		meet: together, framing: stream,
		writer: end{"{}", "wronly", 2}, reader: end{"{}", "rdonly", 4}, shared: "rdonly", bulk: 4000,
	})
	row.hangup = "HUP"
	return row.with("only-read", kernels)
}()

var nativeQueue = func() face {
	row := object(face{
		name: "kernel/mq", native: true, make: "touch queues/q; echo queues/q", sibling: "r", longest: 128,
		framing: messages, shared: "rdonly",
		writer: end{"mq:q", "wronly", 2}, reader: end{"mq:q", "rdonly", 4},
	})
	row.ended, row.small = removed{}, 128
	delete(row.not, "removed-outlived")
	return row.with("short hand fuzz rest-is-mine", "mq_receive takes whole messages").
		with("removed-reader removed-writer", outlivesName).
		with("permission", "it is that of the queue's file").with("only-read", kernels)
}()
