package bench

import (
	"errors"

	"golang.org/x/sys/unix"
)

// shellWrite is what a shell does for `echo text > path`.
func shellWrite(path string, text []byte) error {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC, 0666)
	if err != nil {
		return err
	}
	return errors.Join(fileEnd(fd).put(text), unix.Close(fd))
}

// openPutClose is shellWrite; for a native queue it does the same with mq_open(3) and mq_send(3).
func (p peer) openPutClose(m []byte) error {
	if p.kind != "mq" {
		return shellWrite(p.path, m)
	}
	fd, err := mqOpen(p.path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	return errors.Join(mqSend(fd, m), unix.Close(fd))
}
