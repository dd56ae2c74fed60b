# is FD LINKS, the type, mode and inode number as before: what fstat says, twice, as the first might spoil the inode
is() {
	for i in 1 2; do
		got=$(stat -L -c '%F %a %h %i' /dev/fd/$1 2>&1)
		[ "$got" = "$2" ] || echo "$class: $what: $got, not $2"
	done
}
seen() { stat -L -c "%F %a $1 %i" $2; }
for class in shm fifos sockets topics; do
	cd mnt/$class; for d in *; do case $d in tcp | udp) ;; *) rm -rf ./$d ;; esac; done
	what='a directory that was replaced'
	mkdir -m 755 a; mkdir -m 700 b; exec 3<b; old=$(seen 0 b); mv -T a b; is 3 "$old"
	[ "$(stat -c %a b)" = 755 ] || echo "$class: the new one is $(stat -c %a b)"
	[ -z "$(ls -A /dev/fd/3/ 2>&1)" ] || echo "$class: $what lists $(ls -A /dev/fd/3/ 2>&1)"
	touch_in() { (: >/dev/fd/3/new) 2>/dev/null && echo "$class: something was made in $what"; }
	touch_in; [ -z "$(ls b)" ] || echo "$class: in the new one is $(ls b)"

	what='a directory that was removed'
	mkdir -m 711 c; exec 3<c; old=$(seen 0 c); rmdir c; is 3 "$old"; touch_in
	mkdir -m 755 c; is 3 "$old"; touch_in; [ -z "$(ls c)" ] || echo "$class: in the new one is $(ls c)"
	[ "$(stat -c %a c)" = 755 ] || echo "$class: the new one is $(stat -c %a c)"

	what='a directory whose name is a file now'
	mkdir -m 711 d; exec 3<d; old=$(seen 0 d); rmdir d
	case $class in fifos) mkfifo d ;; *) touch d ;; esac
	is 3 "$old"; touch_in
	[ "$(stat -c %F d)" != directory ] || echo "$class: the new one is a directory"
	rm d

	what='a file whose name is a directory now'
	case $class in fifos) mkfifo -m 640 f ;; *) touch f; chmod 640 f ;; esac
	exec 4<>f; old=$(seen 0 f); rm f; mkdir f
	got=$(stat -L -c '%F %a' /dev/fd/4 2>&1); got2=$(stat -L -c '%F %a' /dev/fd/4 2>&1)
	case $got,$got2 in fifo' '640,fifo' 640' | regular*' 640',regular*' 640') ;; *) echo "$class: $what: $got, $got2" ;; esac
	if [ $class = fifos ]; then echo x >&4; read -r line <&4; [ "$line" = x ] || echo "fifos: $line"; fi
	[ "$(stat -c %F f)" = directory ] || echo "$class: the new one is $(stat -c %F f)"

	what='moved away'
	mkdir -m 700 g h; exec 3<g; mv g h/g; mkdir -m 755 g; old=$(seen 2 h/g); is 3 "$old"
	exec 3<&- 4<&-
	ls -lR . >/dev/null || echo "$class: ls"
	cd ../..
done
