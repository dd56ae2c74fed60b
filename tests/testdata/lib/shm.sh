# What shared memory must do with passthrough and with the page cache alike. It prints what went wrong and ends with 1.
set -u
cd "$MNT"
bad=0
is() { # is WANT GOT WHAT
	test "$1" = "$2" && return
	echo "$3: want $1, got $2"
	bad=1
}
native=/dev/shm

# The same object under two names, both ways.
umask 027
echo hello > shm/a
is hello "$(cat $native/a)" 'written here, read there'
is 640 "$(stat -c %a shm/a)" mode
is 640 "$(stat -c %a $native/a)" 'mode there'
echo native > $native/b
is native "$(cat shm/b)" 'written there, read here'
is "$(echo a b)" "$(echo $(ls shm))" listing
echo more >> shm/a
is 11 "$(stat -c %s $native/a)" append
is 'hello more' "$(echo $(cat shm/a))" appended
echo x > shm/a
is 2 "$(stat -c %s $native/a)" O_TRUNC
printf yy | dd of=shm/a bs=1 seek=5 conv=notrunc status=none
is 'x \n \0 \0 \0 y y' "$(echo $(od -An -c shm/a | tr -s ' '))" 'seek past the end'
rm $native/b
test -e shm/b && echo 'removed there, still here' && bad=1

# Sizes, holes, room.
truncate -s 1M shm/a
is 1048576 "$(stat -c %s $native/a)" truncate
truncate -s 3 $native/a
is 3 "$(stat -c %s shm/a)" 'truncated there'
truncate -s 1G shm/sparse
is 0 "$(du -k $native/sparse | cut -f1)" 'a sparse file takes'
is 1073741824 "$(stat -c %s shm/sparse)" 'sparse size'
is 0 "$(stat -c %b shm/sparse)" 'sparse blocks'
rm shm/sparse
ipctool file rdwr,creat shm/f fallocate=65536 size fill=12288 punch=4096@4096 hole=0 data=4096 pread=2@4096 truncate=0 size > ../f.out
cat > ../f.want <<'EOF'
fallocate ok
size 65536
fill 12288
punch ok
hole 4096
data 8192
pread "\x00\x00"
truncate ok
size 0
EOF
diff ../f.want ../f.out || bad=1
test "$(stat -f -c %b shm)" -gt 0 || { echo 'statfs: no blocks'; bad=1; }

# 64 MiB there and back.
head -c 64M /dev/urandom > ../big
cp ../big shm/big
cmp ../big $native/big || bad=1
cmp ../big shm/big || bad=1
cp ../big $native/back
cmp ../big shm/back || bad=1
dd if=shm/big bs=64k 2>&1 >../copy | grep -q 67108864 || { echo 'short copy'; bad=1; }
cmp ../big ../copy || bad=1
rm shm/big shm/back ../big ../copy

# Names: rename, link, directories, and the errors tmpfs gives.
echo 1 > shm/old
mv shm/old shm/new
is 1 "$(cat $native/new)" renamed
ln shm/new shm/twin
is 2 "$(stat -c %h shm/new)" links
echo 2 > shm/twin
is 2 "$(cat shm/new)" 'one object, two names'
rm shm/new
is 2 "$(cat shm/twin)" 'the other name'
mkdir -m 750 shm/dir shm/dir/sub
is 750 "$(stat -c %a $native/dir)" 'directory mode'
echo deep > shm/dir/sub/x
is deep "$(cat $native/dir/sub/x)" 'in a directory'
err() { # err WANT COMMAND…
	want=$1; shift
	out=$(LC_ALL=C "$@" 2>&1) && { echo "$*: it worked"; bad=1; return; }
	case $out in *"$want"*) ;; *) echo "$*: want $want, got $out"; bad=1 ;; esac
}
err 'Directory not empty' rmdir shm/dir/sub
err 'Is a directory' sh -c 'echo > shm/dir'
err 'Not a directory' ls shm/twin/x
err 'No such file or directory' cat shm/none
err 'File exists' mkdir shm/dir
err 'cross-device link' ln shm/twin fifos/twin
err 'Not a directory' rmdir shm/twin
mv shm/dir shm/moved
is deep "$(cat shm/moved/sub/x)" 'a directory renamed'
rm -r shm/moved
test -e $native/moved && echo 'removed here, still there' && bad=1

# Removed while open: it lives until it is closed.
ipctool file rdwr shm/twin 'sh=rm shm/twin' pread=1@0 write=zz pread=2@0 size > ../u.out
printf 'sh ok\npread "2"\nwrite 2\npread "zz"\nsize 2\n' | diff - ../u.out || bad=1

# Locks between users of the mount, and the one that waits gets it in the end.
: > shm/lock
is 'locked no' "$(echo $(ipctool lock flock wait shm/lock 'ipctool lock flock try shm/lock : 2>/dev/null || echo no'))" flock
is 'locked no' "$(echo $(ipctool lock fcntl wait shm/lock 'ipctool lock fcntl try shm/lock : 2>/dev/null || echo no'))" fcntl
is 'locked no' "$(echo $(ipctool lock ofd wait shm/lock 'ipctool lock fcntl try shm/lock : 2>/dev/null || echo no'))" 'open file description lock'
is 'locked locked second' "$(echo $(ipctool lock flock wait shm/lock 'ipctool lock flock wait shm/lock "echo second" &'))" 'a lock handed on'

# Mapped by two users of the mount; grown while mapped; the file and the mapping are one.
ipctool map shm/m size=4096 map=4096 await=0:ping put=100:pong await=4000:grown size=8192 msync &
until test "$(stat -c %s shm/m 2>/dev/null)" = 4096; do :; done
is pong "$(ipctool map shm/m map=4096 put=0:ping await=100:pong get=100:4)" 'mapped twice'
printf grown | dd of=shm/m bs=1 seek=4000 conv=notrunc status=none
wait $! || bad=1
is 8192 "$(stat -c %s $native/m)" 'grown while mapped'
is ping "$(head -c4 shm/m)" 'mapped, then read here'
is ping "$(head -c4 $native/m)" 'mapped, then read there'
touch -d @86400 shm/m
is 86400 "$(stat -c %Y $native/m)" mtime

if command -v python3 >/dev/null; then
	python3 "$LIB/shm.py" || bad=1
fi
rm -f shm/*
is '' "$(ls $native)" 'left over'
exit $bad
