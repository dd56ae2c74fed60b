#!/bin/sh
# podman.sh PROGRAM PAGE: runs each line that begins with podman in the section about containers of PAGE, and its pod, as root
# in a mount namespace of its own and in an empty directory. Status 77: Podman runs nothing here, for the reason it prints.
set -eu
program=$1 page=$2 here=$PWD

# crun refuses machines that have both kinds of cgroups; here only the older ones are left then. Containers of machines with
# fewer limits than usual get those.
mount --make-rprivate /
if [ -e /sys/fs/cgroup/unified ]; then
	umount /sys/fs/cgroup/unified
	[ ! -e /sys/fs/cgroup/systemd ] || umount -l /sys/fs/cgroup/systemd
fi
cat > containers.conf << END
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=1000:1000"]
netns = "none"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
export CONTAINERS_CONF="$here/containers.conf"
run=$(mktemp -d /tmp/podman.XXXXXX) # whose path has to be short
podman() { command podman --root "$here/root" --runroot "$run" --tmpdir "$run/tmp" "$@"; }
fail() { echo "podman.sh: $*"; exit 1; }
same() { [ "$1" = "$2" ] || fail "$3: $1, not $2"; }
# await COMMAND...: waits until it is true.
await() {
	tries=0
	until "$@" 2> /dev/null; do
		[ $((tries += 1)) -lt 300 ] || fail "never: $*"
		sleep 0.1
	done
}
told() { [ "$(podman logs jobs-worker)" = "$1" ]; } # by the worker of the pod
cleanup() {
	podman pod rm -af -t 0 > /dev/null 2>&1 || :
	podman rm -af -t 0 > /dev/null 2>&1 || :
	"$program" umount --force "$here/mnt/ipc" > /dev/null 2>&1 || :
	podman rmi -af > /dev/null 2>&1 || :
	rm -rf "$run" /dev/shm/libpod_lock
}
trap cleanup EXIT

# An image of busybox and ipcfs, with what they are linked to.
mkdir -p image/bin image/usr/bin image/tmp image/etc image/proc image/sys image/dev
cp "$program" image/bin/ipcfs
cp "$(command -v busybox)" image/bin/busybox
for lib in $({ ldd image/bin/ipcfs; ldd image/bin/busybox; } 2> /dev/null | grep -o '/[^ ]*'); do
	mkdir -p "image${lib%/*}"
	cp -L "$lib" "image$lib"
done
for name in $(busybox --list); do
	[ -e "image/bin/$name" ] || ln -s busybox "image/bin/$name"
done
tar c -C image . > image.tar
podman import --change 'ENV PATH=/bin:/usr/bin' "$here/image.tar" localhost/img > import.log 2>&1 || { cat import.log; exit 77; }
podman run --rm localhost/img true > try.log 2>&1 || { cat try.log; exit 77; }

section() { sed -n '/^## Containers/,$p' "$page"; }
same "$(section | grep -c '^podman ')" 8 "lines of the page"
# line N PROGRAM: runs the Nth line, with PROGRAM in it.
line() {
	eval "$(section | grep '^podman ' | sed -n "$1p" | sed "s,IMAGE,localhost/img,; s,PROGRAM,$2,; s,-v /mnt,-v $here/mnt,")"
}

same "$(line 1 'ls /ipc' | head -n 1)" ctl "a tree in the container"

line 2 - > /dev/null
await podman exec tree test -e /ipc/ctl/status
line 3 -
same "$(podman exec tree cat /ipc/ctl/queues/jobs/drain)" hello "podman exec"
podman stop tree > /dev/null
same "$(podman inspect tree --format '{{.State.ExitCode}}')" 0 "status of a container that was stopped"

same "$(line 4 ls | head -n 1)" ctl "ipcfs run"

mkdir -p mnt
mount -t tmpfs none mnt
mount --make-rshared mnt
mkdir mnt/ipc
serve() { "$program" --state-dir "$here/state" --maxmsg 10 --msgsize 128 mnt/ipc; }
serve
line 5 -
same "$(cat mnt/ipc/ctl/queues/jobs/drain)" hello "the tree of the machine"
line 6 -
same "$(cat mnt/ipc/ctl/queues/jobs/drain)" hello "the directory above it"
podman run -d --name stays -v "$here/mnt:/mnt:rslave" localhost/img sleep 1000 > /dev/null
"$program" umount mnt/ipc
serve
echo again > mnt/ipc/queues/jobs
same "$(podman exec stays cat /mnt/ipc/ctl/queues/jobs/drain)" again "a tree that is mounted anew"
rm mnt/ipc/queues/jobs
"$program" umount mnt/ipc

line 7 - > /dev/null
await podman exec one test -e /ipc/ctl/status
podman exec one sh -c 'touch /ipc/queues/shared; echo board > /ipc/shm/board'
line 8 - > /dev/null
await podman exec two test -e /ipc/ctl/status
same "$(podman exec two cat /ipc/shm/board /dev/shm/board)" "$(printf 'board\nboard')" "a shared ipc namespace"

# The pod, with ipcfs as one of its containers, which Podman starts at the same time.
[ -x /usr/libexec/podman/catatonit ] || command -v catatonit > /dev/null || { echo "no catatonit: no pod"; exit 0; }
mount --make-rshared /
section | sed -n '/^```yaml/,/^```/p' | sed -e '/```/d; /restartPolicy/d; /startupProbe/d; /^  containers:/d' \
	-e 's,initContainers:,containers:,; s,IMAGE,localhost/img:latest,' \
	-e 's,cd /ipc/tree/queues;,until cd /ipc/tree/queues 2> /dev/null; do sleep 0.1; done;,' > pod.yaml
podman kube play "$here/pod.yaml" > play.log 2>&1 || fail "$(cat play.log)"
await podman exec jobs-worker test -e /ipc/tree/queues/jobs
podman exec jobs-ipcfs sh -c 'echo first > /ipc/tree/queues/jobs'
await told first
podman kill jobs-ipcfs > /dev/null
podman start jobs-ipcfs > /dev/null
await podman exec jobs-worker test -e /ipc/tree/ctl/status
podman pod stop -t 1 jobs > /dev/null 2>&1
! grep " $here/.* fuse.ipcfs" /proc/self/mounts || fail "a mount is left"
