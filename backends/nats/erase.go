package nats

import (
	"time"

	"golang.org/x/sys/unix"
)

// erase takes the very stream away, and waits for that: it is for workers. Servers that take long are asked
// again, and say to that at once that there is no such stream, though they may still fail to take it away: a
// cluster without a majority does. So it is looked whether it is there (TestReachRemovedSlowly).
func (l *Link) erase(info *streamInfo) error {
	name, limit := info.Config.Name, time.Now().Add(l.c.Timeout)
	q := &question{subject: api + "STREAM.DELETE." + name}
	m, err := l.put(q)
	if err == nil {
		err = decode(m.Data, nil)
	}
	for err == unix.ENOENT && q.times > 0 {
		switch now, err := l.info(name, false); {
		case err == unix.ENOENT, err == nil && idOf(now) != idOf(info):
			return nil
		case err != nil:
			return err
		case time.Now().After(limit):
			return errTimeout
		}
		time.Sleep(tickPeriod)
	}
	return err
}
