package main

// steps are what `ipcfs demo` shows. Nothing in them waits for time: `wait` waits for a
// background reader, and the status shows that somebody sleeps.
var steps = []step{
	{
		title: "A message queue: each write is a message, each read gets one, ls tells the bytes that wait",
		transcript: `
$ echo hello > queues/jobs
$ printf 'two\nlines\n' > queues/jobs
$ ls -l queues/jobs
-rw-r--r--... 16 ... queues/jobs
$ head -n1 queues/jobs
hello
$ (head -n1; head -n1) < queues/jobs
two
lines
`}, {
		title: "It is the kernel's own queue: ../mqueue is the kernel's view of it, ctl is ours",
		transcript: `
$ echo hello > queues/jobs
$ cat ../mqueue/jobs
QSIZE:6 ...
$ eval "$(cat ctl/queues/jobs/status)"; echo "$messages of $maxmsg messages, $bytes bytes"
1 of 10 messages, 6 bytes
$ read x < queues/jobs; echo "got $x"
got hello
$ dd if=/dev/zero of=queues/jobs bs=129 count=1 conv=notrunc 2> /dev/null || echo "too long: refused, and nothing sent"
too long: refused, and nothing sent
`}, {
		title: "A reader of an empty queue sleeps until a message comes",
		transcript: `
$ head -n1 queues/jobs &
$ grep -qx waiting_readers=1 ctl/queues/jobs/watch; echo "it sleeps"
it sleeps
$ echo "wake up" > queues/jobs; wait
wake up
`}, {
		title: "A full queue makes its writer wait, and nobody else",
		transcript: `
$ for i in 1 2 3 4 5 6 7 8 9 10; do echo $i > queues/jobs; done
$ echo 11 > queues/jobs &
$ grep -qx waiting_writers=1 ctl/queues/jobs/watch; echo "it waits"
it waits
$ echo 12 | dd of=queues/jobs oflag=nonblock conv=notrunc 2> /dev/null || echo "full: refused"
full: refused
$ touch queues/other && ls queues && rm queues/other
jobs
other
$ for i in 1 2 3 4 5 6 7 8 9 10 11; do read x < queues/jobs; printf '%s ' $x; done; wait; echo
1 2 3 4 5 6 7 8 9 10 11 
`}, {
		title: "Other ways into a queue: by priority, line by line, and on loan until the work is done",
		transcript: `
$ echo usual > queues/jobs; echo urgent > ctl/queues/jobs/prio/9
$ cat ctl/queues/jobs/drain
urgent
usual
$ seq 1000 > ctl/queues/jobs/lines &
$ head -n 1000 ctl/queues/jobs/lines | awk '{ sum += $1 } END { print sum }'; wait
500500
$ echo "wash up" > queues/jobs
$ (read job; echo "$job: I cannot") < ctl/queues/jobs/lease
wash up: I cannot
$ (read job; echo "$job: done"; echo ack >&0) <> ctl/queues/jobs/lease
wash up: done
`}, {
		title: "select(2), poll and epoll tell the truth",
		needs: "python3",
		transcript: `
$ python3 -c 'import select as s; print(s.select([open("queues/jobs")], [], [], 0)[0])'
[]
$ python3 -c '
> import select as s; q = open("queues/jobs", "rb", 0)
> s.select([q], [], []); print("ready:", q.read(99))' &
$ echo news > queues/jobs; wait
ready: b'news\n'
`}, {
		title: "System V: a queue and shared memory, of the keys that their names are",
		transcript: `
$ echo hello > sysv/queues/0x4101
$ ls sysv/queues
0x00004101
private
$ cat ctl/sysv/queues/0x4101/next
hello
$ rm sysv/queues/0x4101
$ echo "sysv/shm/0x4101 size=4096" > ctl/new; ls -l sysv/shm/0x4101
-rw-r--r--... 4096 ... sysv/shm/0x4101
$ printf shared | dd of=sysv/shm/0x4101 conv=notrunc 2> /dev/null; head -c 6 sysv/shm/0x4101; echo
shared
$ rm sysv/shm/0x4101
`}, {
		title: "A topic: each message goes to all who read, and the newest can be had at any time",
		transcript: `
$ touch topics/news; head -n1 topics/news & head -n1 topics/news &
$ grep -qx readers=2 ctl/topics/news/watch
$ echo "to all" > topics/news; wait
to all
to all
$ cat ctl/topics/news/last
to all
$ rm topics/news
`}, {
		title: "Shared memory: the same bytes as in /dev/shm, both ways",
		transcript: `
$ echo "made in the tree" > shm/board
$ cat /dev/shm/board
made in the tree
$ echo "made with shm_open" > /dev/shm/native
$ cat shm/native
made with shm_open
$ truncate -s 1M shm/big
$ dd if=/dev/urandom of=shm/big bs=64k count=16 conv=notrunc 2> /dev/null
$ cmp shm/big /dev/shm/big && ls -l /dev/shm/big
-rw-r--r--... 1048576 ... /dev/shm/big
`}, {
		title: "Shared memory, mapped: one end in the tree, one in /dev/shm",
		needs: "python3",
		transcript: `
$ python3 -c '
> from mmap import mmap; from os import open, O_RDWR
> here, there = mmap(open("shm/board", O_RDWR), 16), mmap(open("/dev/shm/board", O_RDWR), 16)
> here[0:4] = b"SEEN"; here.flush(); print(there[0:16])'
b'SEEN in the tree'
`}, {
		title: "A FIFO: a true one, the kernel carries the bytes",
		transcript: `
$ mkfifo fifos/pipe
$ ls -l fifos/pipe
prw-r--r--... 0 ... fifos/pipe
$ cat fifos/pipe &
$ echo "through the kernel" > fifos/pipe; wait
through the kernel
$ touch fifos/touched; test -p fifos/touched && echo "a FIFO too"
a FIFO too
`}, {
		title: "A socket: touch listens, reading accepts, writing dials",
		transcript: `
$ touch sockets/chat
$ cat sockets/chat &
$ echo hi > sockets/chat; wait
hi
$ test -S ctl/sockets/chat/sock && echo "programs connect to the true socket here"
programs connect to the true socket here
`}, {
		title: "A server and a client, both ways, over a Unix socket and over TCP",
		transcript: `
$ (exec 3<> ctl/sockets/chat/accept; read line <&3; echo "$line" | tr a-z A-Z >&3) &
$ (exec 3<> ctl/sockets/chat/dial; echo hello >&3; cat <&3); wait
HELLO
$ touch sockets/tcp/:0; port=$(ls sockets/tcp)
$ (exec 3<> ctl/sockets/tcp/$port/accept; read line <&3; echo "$line" | tr a-z A-Z >&3) &
$ (exec 3<> sockets/tcp/localhost$port; echo "over tcp" >&3; cat <&3); wait
OVER TCP
$ rm sockets/tcp/*
`}, {
		title: "A socket that a program binds is a true one",
		needs: "python3",
		transcript: `
$ python3 -c '
> from socket import *; server, client = socket(AF_UNIX), socket(AF_UNIX)
> server.bind("sockets/server"); server.listen(); client.connect("sockets/server")
> client.send(b"hi"); print(server.accept()[0].recv(9))'
b'hi'
$ ls -l sockets/server
srwxr-xr-x... 0 ... sockets/server
`}, {
		title: "What the daemon knows of itself and of an object",
		transcript: `
$ eval "$(cat ctl/status)"; echo "ipcfs $version, pid $pid, $parked requests wait"
ipcfs ..., pid ..., 0 requests wait
$ grep -E '^(mode|messages|maxmsg|msgsize)=' ctl/queues/jobs/status | sort
maxmsg=10
messages=0
mode=0644
msgsize=128
$ ls ctl/queues/jobs/status ctl/shm/board/status ctl/fifos/pipe/status ctl/sockets/chat/status
ctl/fifos/pipe/status
ctl/queues/jobs/status
ctl/shm/board/status
ctl/sockets/chat/status
`}, {
		title: "rm removes the objects; who waits for one is told",
		transcript: `
$ cat queues/jobs &
$ grep -qx waiting_readers=1 ctl/queues/jobs/watch; rm queues/jobs; wait
cat: ...
$ rm shm/* fifos/* sockets/[cs]*
$ find queues shm fifos sockets ../mqueue /dev/shm ! -type d | wc -l
0
`},
}
