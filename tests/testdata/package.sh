# package.sh OLD NEW: installs a deb or an rpm, uses it, upgrades it while it is in use, and removes it. Run in a mount
# namespace of its own, over which everything that is written goes into a tmpfs.
set -eux
top=$(mktemp -d)
mount -t tmpfs none "$top"
mkdir "$top/upper" "$top/work" "$top/root"
kind=${1##*.}
cp "$1" "$top/upper/old.$kind"
cp "$2" "$top/upper/new.$kind"
mount -t overlay none -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount --rbind /proc "$top/root/proc"
mount --rbind /dev "$top/root/dev"
mount -t tmpfs none "$top/root/run"
chroot "$top/root" /bin/sh -eux -s $kind << 'IN'
PATH=/usr/sbin:/usr/bin:/sbin:/bin
kind=$1
# This is no machine of rpm's: it knows nothing of what dpkg has installed, and Debian's wants to be asked for.
rpm() { command rpm --dbpath /rpmdb --nodeps --force-debian "$@"; }
case $kind in
deb)
	install="dpkg -i" remove="dpkg --purge" zsh=vendor-completions
	version() { dpkg-query -W -f '${Version}' ipcfs; }
	;;
rpm)
	install="rpm -U" remove="rpm -e" zsh=site-functions
	version() { command rpm --dbpath /rpmdb -q --qf '%{VERSION}' ipcfs; }
	;;
esac
printf '# of mlocate\nPRUNEFS = "NFS nfs"\n' > /etc/updatedb.conf
cp /etc/updatedb.conf /updatedb.before
rm -f /var/lib/man-db/auto-update # no index of all man pages is made
$install /old.$kind
ipcfs version | grep -Eq '^ipcfs 1\.0\.0 \([0-9a-f]{7}, 20[0-9]{2}-[0-9]{2}-[0-9]{2}, go' # what is stamped
for unit in ipcfs.service ipcfs@.service; do
	grep -q '^ExecStart=/usr/bin/ipcfs -f' /usr/lib/systemd/system/$unit
	if grep /usr/local /usr/lib/systemd/system/$unit; then exit 1; fi
done
test -e /usr/share/doc/ipcfs/examples/mnt-ipc.mount
test -e /usr/share/zsh/$zsh/_ipcfs
test "$(readlink -f /usr/sbin/mount.fuse.ipcfs)" = /usr/bin/ipcfs
grep -qx 'PRUNEFS = "NFS nfs fuse.ipcfs"' /etc/updatedb.conf

mkdir /mnt/ipc
mount -t fuse.ipcfs ipcfs /mnt/ipc -o maxmsg=10,msgsize=128
echo "before the upgrade" > /mnt/ipc/queues/q
$install /new.$kind
test "$(version)" = 2.0.0
grep -qx 'PRUNEFS = "NFS nfs fuse.ipcfs"' /etc/updatedb.conf
read -r line < /mnt/ipc/queues/q
test "$line" = "before the upgrade"
umount /mnt/ipc
mount -t fuse.ipcfs ipcfs /mnt/ipc -o maxmsg=10,msgsize=128
rm /mnt/ipc/queues/q
umount /mnt/ipc

$remove ipcfs
cmp /etc/updatedb.conf /updatedb.before
for left in /usr/bin/ipcfs /usr/sbin/mount.fuse.ipcfs /usr/lib/systemd/system/ipcfs*.service /usr/share/doc/ipcfs \
	/usr/share/zsh/$zsh/_ipcfs; do
	test ! -e "$left"
done
test $kind = rpm || test ! -e /run/ipcfs # rpm has no purge
IN
