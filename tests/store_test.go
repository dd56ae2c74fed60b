package tests

import "testing"

// TestStore does with queues of another store than the kernel's what a user can type. They have every face,
// and can do what the kernel's cannot (peek, resize); each answer takes its time.
func TestStore(t *testing.T) {
	tr := bareTree(t)
	tr.program = memoryDaemon
	tr.mounted(t)
	cmd := tr.command("sh", "-c", "exec 2>&1; cd $MNT && "+typed)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != answered {
		t.Errorf("%v: got\n%s\nwant\n%s", err, out, answered)
	}
}

const typed = `
q=mem/queues/q c=ctl/mem/queues/q
echo "$q maxmsg=4 msgsize=16 mode=0640" >ctl/new && stat -c '%A %s' $q
echo "$q" >ctl/new
printf low >$q; printf high >$c/prio/7; printf also >$c/prio/7
cat $c/peek/1; echo; cat $c/peek/3; cat $c/next; echo; stat -c %s $q; cat $c/drain; echo
printf 'a\nb\nc' >$c/lines; cat $c/drain; echo
(printf one; printf two) >$c/whole; cat $c/next; echo; cat $c/next@1ms
echo 'longer than a message' >$q
echo job >$q; exec 3<>$c/lease; read x <&3; echo leased $x; grep leases= $c/status
echo nack >&3; read x <&3; echo again $x; echo ack >&3; exec 3>&-; grep -E '^(messages|leases)=' $c/status
echo 'lease max_tries=1' >$c/ctl; echo bad >$q; echo good >$q
exec 3<>$c/lease; read x <&3; exec 3>&-
exec 3<>$c/lease; read x <&3; echo $x and not bad; echo ack >&3; exec 3>&-; cat ctl/mem/queues/dead/drain
echo 'resize maxmsg=1' >$c/ctl; grep resize $c/ctl; echo 'resize msgsize=9' >$c/ctl
cat $q >/dev/null & until grep -q waiting_readers=1 $c/status; do :; done; echo eof >$c/ctl; wait $! && echo the end
echo one >$q; echo drain >$c/ctl; stat -c %s $q
rm $q; ls mem/queues
`

const answered = `-rw-r----- 0
sh: 4: echo: echo: I/O error
also
cat: ctl/mem/queues/q/peek/3: No message of desired type
high
7
alsolow
abc
onetwo
cat: ctl/mem/queues/q/next@1ms: Connection timed out
sh: 9: echo: echo: I/O error
leased job
leases=1
again job
messages=0
leases=0
good and not bad
bad
resize maxmsg=1 msgsize=16
sh: 15: echo: echo: I/O error
the end
0
dead
`
