# systemd-inside.sh: what holds of the units, as a service of a systemd that has just booted.
unit=ipcfs@mnt-ipc
trap "journalctl -q -o short-precise --no-hostname | tail -n 60" ERR
of() { systemctl show --value -p "$1" "$unit"; }
as() { setpriv --reuid "$1" --regid "$1" --clear-groups -- "${@:2}"; }
# until COMMAND...: waits for it
until_() { for _ in $(seq 300); do ! "$@" > /dev/null 2>&1 || return 0; sleep 0.1; done; return 1; }

# of fstab: mounted at boot, and ended by stopping it
until_ test -e /mnt/fstab/ctl/status
echo one > /mnt/fstab/queues/of-fstab
systemctl stop mnt-fstab.mount
if mountpoint -q /mnt/fstab; then exit 1; fi

# start returns when the tree is live
printf 'IPCFS_FLAGS=--maxmsg 5 --msgsize 128\n' > /etc/default/ipcfs@mnt-ipc
systemctl start $unit
test -e /mnt/ipc/ctl/status
test "$(of StatusText)" = "live at /mnt/ipc"
grep -qx "keeper_pid=$(of MainPID)" /mnt/ipc/ctl/status
journalctl -q -u $unit -p 6..6 -o cat | grep -q '^level=INFO msg=live '
cd /mnt/ipc
rm queues/of-fstab

# what is hardened takes nothing from anybody: every class, as root and as a user
for uid in 0 1000; do
	as $uid bash -euxc '
	cd /mnt/ipc; echo one > queues/q$0; read -r line < queues/q$0; test "$line" = one
	echo "queues/deep$0 maxmsg=10 msgsize=64 mode=0660" > ctl/new
	printf two > queues/q$0; exec 3<> ctl/queues/q$0/lease; read -r line <&3 || true; echo ack >&3; exec 3>&-
	mkdir -m 2775 topics/d$0; touch topics/d$0/t; echo set retain=on > ctl/topics/d$0/t/ctl; echo v > topics/d$0/t
	test "$(cat ctl/topics/d$0/t/last)" = v
	head -c 8192 /dev/zero > shm/s$0; chmod 6755 shm/s$0; test "$(stat -c %a,%s shm/s$0)" = 6755,8192
	mkfifo fifos/f$0; echo three > fifos/f$0 & read -r line < fifos/f$0; test "$line" = three; wait
	touch sockets/k$0
	{ exec 3<> ctl/sockets/k$0/accept; read -r line <&3; echo "$line back" >&3; exec 3>&-; } &
	exec 4<> ctl/sockets/k$0/dial; echo four >&4; read -r line <&4; test "$line" = "four back"; exec 4>&-; wait
	exec 4<> ctl/sockets/k$0/dial; echo call >&4; grep -qx waiting_calls=1 ctl/sockets/k$0/status
	cat ctl/sockets/k$0/accept 4>&- > /dev/null & exec 4>&-; wait
	touch sockets/tcp/:$((7000 + $0))
	{ exec 3<> ctl/sockets/tcp/:$((7000 + $0))/accept; echo five >&3; exec 3>&-; } &
	exec 4<> sockets/tcp/127.0.0.1:$((7000 + $0)); read -r line <&4; test "$line" = five; exec 4>&-; wait
	echo six > sysv/queues/0x0000$((4100 + $0)); test "$(cat ctl/sysv/queues/0x0000$((4100 + $0))/next)" = six
	echo "sysv/shm/0x0000$((4100 + $0)) size=4096" > ctl/new; printf seven 1<> sysv/shm/0x0000$((4100 + $0))
	chmod 640 queues/q$0; echo set mode=0600 > ctl/queues/q$0/ctl
	' $uid
done
echo root > queues/q1000; chown 1001 queues/q1000; as 1001 cat ctl/queues/q1000/next
if capsh --has-p=cap_sys_resource 2> /dev/null; then
	grep -q 'Max msgqueue size *unlimited' "/proc/$(of MainPID)/limits"
	echo "queues/beyond maxmsg=$(($(cat /proc/sys/fs/mqueue/msg_max) + 10)) msgsize=8" > ctl/new
	rm queues/beyond
fi
touch sockets/tcp/:80 # CAP_NET_BIND_SERVICE
grep -qx shm=passthrough ctl/status
cd /

# one that is killed, and one that serves no more, is followed by another; the objects are there
dead() { test "$(of MainPID)" != "$1" && test "$(of ActiveState)" = active; }
echo kept > /mnt/ipc/topics/d0/t
main=$(of MainPID)
kill -9 "$main"
until_ dead "$main"
test "$(cat /mnt/ipc/ctl/queues/deep0/status.json | grep -o '"maxmsg":10')"
mkdir /run/systemd/system/$unit.service.d
printf '[Service]\nWatchdogSec=1\nTimeoutAbortSec=1\n' > /run/systemd/system/$unit.service.d/short.conf
systemctl daemon-reload
systemctl restart $unit
test "$(systemctl show --value -p NRestarts $unit)" = 0
main=$(of MainPID)
kill -STOP "$main"
until_ dead "$main"
test -p /mnt/ipc/fifos/f0
test "$(systemctl show --value -p NRestarts $unit)" = 1
journalctl -q -u $unit | grep -q 'Watchdog timeout'
rm -r /run/systemd/system/$unit.service.d # on a slow machine it would go on ending daemons
systemctl daemon-reload
systemctl restart $unit

# the analysis of what it is hardened with
systemd-analyze security --threshold=50 $unit > /dev/null

# stop leaves nothing mounted and nothing failed; programs that wait get their error
cat /mnt/ipc/queues/deep1000 2> /reader || true &
until_ grep -qx waiting_readers=1 /mnt/ipc/ctl/queues/deep1000/status
systemctl stop $unit
wait
grep -Eq 'No such device|not connected' /reader
if mountpoint -q /mnt/ipc; then exit 1; fi
test "$(of Result)" = success

# without a keeper
printf 'IPCFS_FLAGS=--maxmsg 5 --msgsize 128 --keeper=off\n' > /etc/default/ipcfs@mnt-ipc
systemctl start $unit
main=$(of MainPID)
grep -qx "pid=$main" /mnt/ipc/ctl/status
if systemctl reload $unit; then exit 1; fi
kill -9 "$main"
until_ dead "$main"
systemctl stop $unit
if mountpoint -q /mnt/ipc; then exit 1; fi

# with one: reload puts the program into service that is there now, or fails and says why
printf 'IPCFS_FLAGS=--maxmsg 5 --msgsize 128\n' > /etc/default/ipcfs@mnt-ipc
systemctl start $unit
main=$(of MainPID)
grep -qx "keeper_pid=$main" /mnt/ipc/ctl/status
pid=$(cat /mnt/ipc/ctl/pid)
kill -9 "$pid"
test "$(cat /mnt/ipc/ctl/pid)" != "$pid"
pid=$(cat /mnt/ipc/ctl/pid)
cp /usr/local/bin/ipcfs /usr/local/bin/ipcfs.new
echo >> /usr/local/bin/ipcfs.new
mv /usr/local/bin/ipcfs.new /usr/local/bin/ipcfs
systemctl reload $unit
test "$(cat /mnt/ipc/ctl/pid)" != "$pid"
for of in $main $(cat /mnt/ipc/ctl/pid); do test /proc/$of/exe -ef /usr/local/bin/ipcfs; done
test "$(of StatusText)" = "live at /mnt/ipc, upgraded"
pid=$(cat /mnt/ipc/ctl/pid)
chmod -x /usr/local/bin/ipcfs
if systemctl reload $unit; then exit 1; fi
chmod +x /usr/local/bin/ipcfs
kill -HUP "$main" # as with ExecReload= of one's own
until_ grep -qx upgrades=2 /mnt/ipc/ctl/status
test "$(of MainPID) $(of ActiveState) $(of NRestarts)" = "$main active 0"
kill -9 "$main"
until_ dead "$main"
until_ test -e /mnt/ipc/ctl/pid
systemctl stop $unit
if mountpoint -q /mnt/ipc; then exit 1; fi
test "$(of Result)" = success

# the service at the usual place, and the mount unit there
systemctl start ipcfs
rm /mnt/ipc/queues/*
systemctl stop ipcfs
systemctl start mnt-ipc.mount
until_ test -e /mnt/ipc/ctl/status
grep -qx 'maxmsg=10' /mnt/ipc/ctl/status
systemctl stop mnt-ipc.mount
if mountpoint -q /mnt/ipc; then exit 1; fi
ipcrm -Q 4100 -Q 5100 -M 4100 -M 5100 2> /dev/null || true
