package nodes

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/nats"
)

// Why objects of a kind are refused, beside what package backends finds.
const (
	whyTree        backends.Reason = "tree"
	whyClass       backends.Reason = "class"
	whyFlat        backends.Reason = "flat"
	whyOneNameHere backends.Reason = "one-name-here"
	whyNoSymlinks  backends.Reason = "no-symlinks"
	whyControl     backends.Reason = "control"
	whyQueueBytes  backends.Reason = "queue-bytes"
	whyQueues      backends.Reason = "queues"
	whyQueueFixed  backends.Reason = "queue-fixed"
	whyQueueLong   backends.Reason = "queue-long"
	whyMsgQueues   backends.Reason = "msg-queues"
	whyMsgLong     backends.Reason = "msg-long"
	whyMsgWhole    backends.Reason = "msg-whole"
	whyMsgBytes    backends.Reason = "msg-bytes"
	whyNoKey       backends.Reason = "no-key"
	whyKeyName     backends.Reason = "key-name"
	whySegmentSize backends.Reason = "segment-size"
	whySegments    backends.Reason = "segments"
	whyFixed       backends.Reason = "segment-fixed"
	whySized       backends.Reason = "segment-sized"
	whyUnsized     backends.Reason = "segment-unsized"
	whyManyUnsized backends.Reason = "segments-unsized"
	whyTopicLong   backends.Reason = "topic-long"
	whyTopicBytes  backends.Reason = "topic-bytes"
	whyNoReader    backends.Reason = "no-reader"
	whyOnlyFifos   backends.Reason = "only-fifos"
	whyExclusive   backends.Reason = "fifo-exclusive"
	whyPlainLong   backends.Reason = "plain-long"
	whyOrphaned    backends.Reason = "socket-orphaned"
	whyNobody      backends.Reason = "socket-nobody"
	whyPortTaken   backends.Reason = "port-taken"
	whyPortRoot    backends.Reason = "port-root"
	whySocketType  backends.Reason = "socket-type"
	whyAddress     backends.Reason = "address"
	whyCalled      backends.Reason = "address-called"
	whyOneName     backends.Reason = "one-name"
	whyNoCall      backends.Reason = "no-call"
	whySocketLong  backends.Reason = "socket-long"
	whyCrowded     backends.Reason = "crowded"
)

// advices are the sentences that people are told of refusals. In braces stand the facts of one: {name},
// {value}, {more}, {most}, {uid}, and {double}, which is twice {most}; {size} is {most} in bytes, for people;
// of its limit {limit}, {holds} and {raise}. {set net=any} is a setting, as whoever started ipcfs asks for
// it.
var advices = map[backends.Reason]string{
	backends.OverOne:    "user {uid} has {value} {holds}, and one user may have {most}; this needs {more} more: {raise}",
	backends.OverAll:    "all users but root have {value} {holds}, and may have {most}; this needs {more} more: {raise}",
	backends.Reached:    "{limit} is reached: close some files, or raise it ({raise})",
	backends.NoMoreOpen: "the daemon has {limit}, {most}, of them open: close some, or raise it ({raise})",
	backends.NoRoom:     "{name} has no room left: see df and df -i of it",
	backends.ReadOnly:   "{name}: mount -o remount,rw",

	nats.LinkDown: "there is no connection to the servers; it is tried again all the time: " +
		"see the status of the attachment in ctl",
	nats.Closed:   "the tree is being unmounted",
	nats.NoAnswer: "there was no answer in time; it may have been done",
	nats.MayBeSent: "there was no answer yet, and the message may be stored: the same bytes, written again on the " +
		"same open file within two minutes, are not stored twice",
	nats.MayCome: "message {value} was received, but the servers did not say in time that they know: " +
		"it may come again",
	nats.Forbidden: "the account that the daemon uses there may not do that",
	nats.Account:   "the account has used up what it may have there: {name}",
	nats.Engine:    "the servers say: {name}",
	nats.NoRename:  "what other machines know by a name keeps it: make another one, and remove this one",
	nats.OpenDirs:  "a directory of an attachment is open to all: the modes of topics say who may do what",
	nats.NoBlock:   "slow=block: no publisher can wait for readers on other machines; drop-old, drop-new or cut",
	nats.ManyMade:  "{most} directories are remembered that were made here, as many as there may be: rmdir some",
	nats.ManyPrios: "{most} different priorities of the queue are in use, as many as there may be: use one of them",

	backends.NetOff: "the tree is mounted with {set net=off}; it takes {set net=loopback} or {set net=any}",
	backends.NetLoopback: "the tree is mounted with {set net=loopback}; " +
		"it takes {set net=any} for more than this machine's loopback addresses",

	whyTree:        "directories of the tree stay as they are; objects are made in them: touch CLASS/NAME",
	whyClass:       "an object stays in its class: read it, and write what was read to one of the other class",
	whyFlat:        "{name} has no directories, and its objects keep the names that they were made with",
	whyOneNameHere: "an object of {name} has one name",
	whyNoSymlinks:  "an object is reached by its own name",
	whyControl:     "control files come and go with their object",

	backends.AboveKernel: "{name}={value} is more than {most}, the most that the kernel takes",
	backends.AboveUsers: "{name}={value} is more than {most}, the limit without CAP_SYS_RESOURCE, which root has, " +
		"but not in most containers: sysctl {limit}={value} (of a container: --sysctl, as it starts)",
	whyQueueBytes: "{limit}, the {holds} of the daemon's user, is used up: " +
		"remove queues, make smaller ones ({set maxmsg}, {set msgsize}), or raise it ({raise})",
	whyQueues: "{limit} is reached: remove queues or raise it ({raise})",
	whyQueueFixed: "the kernel fixes maxmsg and msgsize when it makes a queue, and programs that hold " +
		"this one open would keep it: make another one (echo 'queues/NAME {name}' > ctl/new)",
	whyQueueLong: "the message is longer than the queue's msgsize, {most}: " +
		"send less, or make the queue anew with a larger one (echo 'queues/NAME msgsize=N' > ctl/new)",

	whyMsgQueues: "{limit}, the queues of this ipc namespace, is reached: " +
		"remove queues (ipcs -q, ipcrm) or raise it (sysctl {limit}={double})",
	whyMsgLong: "the message is longer than {limit}, {most}: " +
		"send less, or raise it (sysctl {limit}={double})",
	whyMsgWhole: "the message is longer than the whole queue, qbytes={most}: " +
		"send less, or echo 'resize qbytes=N' > ctl of the queue",
	whyMsgBytes: "qbytes above {limit}, {most}, takes CAP_SYS_RESOURCE: " +
		"raise that (sysctl {limit}={value}), or have root do it",
	whyNoKey: "{name} without a key (IPC_PRIVATE) get their ids from the kernel: " +
		"a program makes one with msgget(2) or shmget(2)",
	whyKeyName: "a name here is a key as ipcs prints it, 0x and up to eight digits: 0x00004101, or 0x4101",

	whySegmentSize: "size={value} is above {limit}: {raise}",
	whySegments: "kernel.shmmni (segments) or kernel.shmall (pages of all of them) is reached: " +
		"remove segments (ipcs -m, ipcrm) or raise it (sysctl kernel.shmmni, kernel.shmall)",
	whyFixed: "the size of a segment is fixed when it is made: write in place (dd conv=notrunc, 1<>), " +
		"or remove it and make another (echo 'sysv/shm/KEY size=N' > ctl/new)",
	whySized:   "a segment needs a size: sysv/shm/{name} size=65536",
	whyUnsized: "it has no size yet: truncate -s SIZE first",
	whyManyUnsized: "user {uid} has {value} names without a size, as many as one user may: " +
		"truncate -s SIZE makes them segments",

	whyTopicLong: "a message is at most {value} bytes, and has to fit into what the topic may hold " +
		"(bytes={most}): echo 'set bytes=N' > ctl/topics/{name}/ctl",
	whyTopicBytes: "all topics of one user may hold {most} bytes: {raise}",
	whyNoReader:   "nobody reads the topic, and it is set to noreader=error",

	whyOnlyFifos: "only FIFOs live here: mkfifo",
	whyExclusive: "a FIFO cannot be made by an exclusive open (set -C, O_EXCL): use mkfifo",

	whyPlainLong: "a plain file beside sockets is for locks and pids, of at most {size}",
	whyOrphaned: "it was bound before the tree was mounted, and its server cannot be reached: " +
		"it has to bind it anew",
	whyNobody:     "nobody listens there",
	whyPortTaken:  "another program has the port: `ss -lntup` says which; port 0 takes a free one",
	whyPortRoot:   "the port is root's: see sysctl net.ipv4.ip_unprivileged_port_start",
	whySocketType: "a socket keeps its type: make another one (echo 'sockets/NAME type={name}' > ctl/new)",
	whyAddress:    "a name in tcp and udp is an address: make another (touch :PORT) and remove this one",
	whyCalled:     "HOST:PORT is called by opening it; touch :PORT or '*:PORT' listens",
	whyOneName: "what ipcfs listens for has one name; " +
		"sockets that programs bind, and plain files, may have more",
	whyNoCall: "no such connection: name one that status lists, shutdown id=N, " +
		"or the process that opened it, pid=N",
	whySocketLong: "the socket takes messages of at most {most} bytes",

	whyCrowded: "user {uid} has as many requests waiting (" + strconv.Itoa(MaxWaiting) + "), " +
		"or as many bytes in writes that wait (" + inBytes(MaxWaitingBytes) + "), " +
		"or in messages they have read a part of (" + inBytes(maxHeld) + "), as one user may: " +
		"read to the end, or end some of their programs",
}

// NotListed is why queues cannot be listed.
const NotListed = "there is no mount of the mqueue file system: " +
	"as root, mkdir -p /dev/mqueue && mount -t mqueue mqueue /dev/mqueue, and mount the tree again"

// inBytes is a number of bytes for people.
func inBytes(n int64) string {
	for _, unit := range []struct {
		bytes int64
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.bytes && n%unit.bytes == 0 {
			return strconv.FormatInt(n/unit.bytes, 10) + " " + unit.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// settingWords finds settings in sentences. It is compiled when the first is made: each ipcfs command would
// pay for it.
var settingWords = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`\{set ([a-z-]+)([^}]*)\}`) })

// sentence puts facts into the braces of a sentence. flags are how settings are asked for, by their names.
func sentence(text string, r *backends.Refusal, flags map[string]string) string {
	row := limitNamed(r.Limit)
	text = strings.ReplaceAll(text, "{raise}", row.raise)
	text = settingWords().ReplaceAllStringFunc(text, func(found string) string {
		m := settingWords().FindStringSubmatch(found)
		if flag, ok := flags[m[1]]; ok {
			return flag + m[2]
		}
		return m[1] + m[2]
	})
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return strings.NewReplacer(
		"{name}", r.Name, "{value}", number(r.Value), "{more}", number(r.More), "{most}", number(r.Most),
		"{double}", number(2*r.Most), "{size}", inBytes(r.Most), "{uid}", number(int64(r.Uid)),
		"{limit}", row.name, "{holds}", row.holds,
	).Replace(text)
}

// spoken is an error for a person: with the sentence of what was refused.
func spoken(err error, flags map[string]string) string {
	text := err.Error()
	var r *backends.Refusal
	if !errors.As(err, &r) {
		return text
	}
	return strings.Replace(text, r.Error(), r.Err.Error()+": "+sentence(advices[r.Why], r, flags), 1)
}
