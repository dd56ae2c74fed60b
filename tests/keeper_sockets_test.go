package tests

import (
	"testing"
)

// TestSocketsGoOn: connections, calls that wait, and datagrams go on when the worker is killed, when another
// program is put into service, by ipcfs upgrade and by SIGHUP, and when the worker of that is killed: the
// keeper has become another program with what it keeps. Each end of file comes when the other side closes,
// and in the end nothing is left with the keeper.
func TestSocketsGoOn(t *testing.T) {
	t.Parallel()
	s := shelved(t)
	sh := s.tr.command("bash", "-ec", `cd $MNT
		gets() { read -r -t 20 -u $1 x; [ "$x" = "$2" ] || { echo "got '$x', want '$2'"; exit 1; }; }
		crash() { kill -9 $(cat ctl/pid); }
		upgrade() { ipcfs upgrade $MNT; }
		hangup() {
			was=$(grep ^upgrades= ctl/status); kill -HUP $keeper_pid
			while [ $(grep ^upgrades= ctl/status) = $was ]; do :; done
		}
		kept() { ls /proc/$keeper_pid/fd | wc -l; }
		eval "$(grep ^keeper_pid= ctl/status)"
		before=$(kept)
		: > sockets/s
		: > sockets/tcp/:0; : > sockets/udp/:0
		tcp=$(ls sockets/tcp); udp=$(ls sockets/udp)
		exec 4<> ctl/sockets/s/dial 5<> ctl/sockets/s/accept
		exec 6<> sockets/tcp/127.0.0.1$tcp 7<> ctl/sockets/tcp/$tcp/accept
		exec 8<> sockets/udp/127.0.0.1$udp 9<> ctl/sockets/udp/$udp/records
		n=0
		for how in crash upgrade crash hangup crash crash; do
			n=$((n+1))
			exec 10<> ctl/sockets/s/dial
			echo call $n >&10; echo unix $n >&4; echo tcp $n >&6; echo udp $n >&8
			$how
			gets 5 "unix $n"; gets 7 "tcp $n"
			read -r -t 20 -u 9 head; gets 9 "udp $n"; read -r -t 20 -u 9 x
			echo back $n >&5; gets 4 "back $n"; echo back $n >&7; gets 6 "back $n"
			exec 11<> ctl/sockets/s/accept
			gets 11 "call $n"
			exec 10>&-
			[ -z "$(timeout 20 cat <&11)" ]
			exec 11>&-
		done
		exec 4>&- 6>&-
		[ -z "$(timeout 20 cat <&5)" ]
		[ -z "$(timeout 20 cat <&7)" ]
		exec 5>&- 7>&- 8>&- 9>&-
		rm sockets/s sockets/tcp/$tcp sockets/udp/$udp
		for i in $(seq 200); do [ $(kept) -le $before ] && exit 0; cat ctl/pid > /dev/null; done
		ls -l /proc/$keeper_pid/fd; exit 1`)
	if out, err := sh.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s%s", err, out, s.tr.logs())
	}
}
