# systemd.sh IPCFS PACKAGING: boots systemd-nspawn(1) over this machine's root, with all that is written going into a
# tmpfs, and has a service in there run systemd-inside.sh. Run it in a mount namespace of its own.
set -eu
top=$(mktemp -d -p "$PWD")
mount -t tmpfs none "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay none -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
root=$top/root
: > "$root/etc/machine-id"
mkdir -p "$root/mnt" "$root/usr/local/bin"
cp "$1" "$root/usr/local/bin/ipcfs"
chmod 755 "$root/usr/local/bin/ipcfs"
ln -sf /usr/local/bin/ipcfs "$root/usr/sbin/mount.fuse.ipcfs"
cp "$2"/ipcfs@.service "$2"/ipcfs.service "$2"/mnt-ipc.mount "$root/etc/systemd/system/"
cp "$2"/tmpfiles.conf "$root/usr/lib/tmpfiles.d/ipcfs.conf"
cp "$(dirname "$0")/systemd-inside.sh" "$root/inside.sh"
echo 'ipcfs /mnt/fstab fuse.ipcfs maxmsg=10,msgsize=128,state-dir=/run/ipcfs/fstab,nofail 0 0' > "$root/etc/fstab"
mkdir "$root/mnt/fstab"
# Nothing but what the test is about: no services of this machine.
cat > "$root/etc/systemd/system/inside.target" << 'UNIT'
[Unit]
Requires=basic.target
After=basic.target
UNIT
cat > "$root/etc/systemd/system/inside.service" << 'UNIT'
[Unit]
After=basic.target
[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/bash -eux /inside.sh
StandardOutput=file:/said
StandardError=file:/said
ExecStopPost=/bin/sh -c 'echo "$SERVICE_RESULT" > /result; systemctl --force poweroff'
UNIT
mkdir "$root/etc/systemd/system/inside.target.wants"
ln -s ../inside.service "$root/etc/systemd/system/inside.target.wants/"
timeout 100 systemd-nspawn --quiet --register=no --keep-unit --capability=all --bind=/dev/fuse -D "$root" --boot \
	systemd.unit=inside.target < /dev/null > "$top/console" 2>&1 || true
if [ "$(cat "$root/result")" != success ]; then
	cat "$top/console" "$root/said"
	exit 1
fi
tail -n 3 "$root/said"
