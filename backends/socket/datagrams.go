package socket

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// Datagrams is a datagram socket that listens: one socket for each address, as one cannot take what is sent
// to the loopback addresses of both families and nothing else. It is an Endpoint, and safe for concurrent
// use.
type Datagrams struct {
	all   []*Conn // 127.0.0.1 before ::1
	reach Reach   // where it may send to
	lasts lists   // how it outlives this process
	turn  atomic.Uint32
}

// TryRead receives one datagram, of each address in turn. The Meta says who sent it.
func (d *Datagrams) TryRead(p []byte) (n int, m backends.Meta, err error) { return d.receive(nil, p) }

// receive is TryRead at a desk.
func (d *Datagrams) receive(at *backends.Desk, p []byte) (n int, m backends.Meta, err error) {
	first := int(d.turn.Add(1))
	for i := range d.all {
		if n, m, err = d.all[(first+i)%len(d.all)].receive(at, p); err != backends.ErrWouldBlock {
			break
		}
	}
	return n, m, err
}

// TryWrite sends p to where m says, from the address of the same family. That a socket is bound to ::1 does
// not keep the kernel from sending to other machines (Linux 6.18).
func (d *Datagrams) TryWrite(p []byte, m backends.Meta) (int, error) { return d.send(nil, p, m) }

// send is TryWrite at a desk.
func (d *Datagrams) send(at *backends.Desk, p []byte, m backends.Meta) (int, error) {
	to, err := netip.ParseAddrPort(m.From)
	if err != nil {
		return 0, unix.EDESTADDRREQ
	}
	if !d.reach.may(to.Addr()) {
		return 0, d.reach.refusal()
	}
	from := d.all[0]
	if !to.Addr().Unmap().Is4() {
		from = d.all[len(d.all)-1]
	}
	return from.send(at, p, m)
}

// Unit is the longest datagram in bytes.
func (d *Datagrams) Unit() (n int) {
	for _, c := range d.all {
		n = max(n, c.Unit())
	}
	return n
}

// Ready is In if one has come to any address, Out if one can be sent from all.
func (d *Datagrams) Ready() (ready backends.Ready) {
	out := backends.Out
	for _, c := range d.all {
		r := c.Ready()
		ready |= r &^ backends.Out
		out &= r
	}
	return ready | out
}

// Arm is Waiter.Arm.
func (d *Datagrams) Arm(want backends.Ready, wake func()) {
	for _, c := range d.all {
		c.Arm(want, wake)
	}
}

// Local is where it listens: HOST:PORT for each address.
func (d *Datagrams) Local() (list []string) {
	for _, c := range d.all {
		list = append(list, c.Local())
	}
	return list
}

// counted has the bytes be counted where another process goes on with them, as those of the object that is
// known by key. Nobody uses d yet.
func (d *Datagrams) counted(s *Maker, key string) {
	for i, c := range d.all {
		c.moved = s.Counts(fmt.Sprint(key, " ", i))
	}
}

// Moved are the bytes that were received and sent.
func (d *Datagrams) Moved() (in, out int64) {
	for _, c := range d.all {
		st := c.Status()
		in, out = in+st.In, out+st.Out
	}
	return in, out
}

// Stat is that of the socket's file.
func (d *Datagrams) Stat() (backends.Attr, error) { return d.all[0].Stat() }

// Close stops listening. Whoever has it open finds it removed.
func (d *Datagrams) Close() (err error) {
	d.lasts.end()
	for _, c := range d.all {
		if e := c.Close(); err == nil {
			err = e
		}
		c.mu.Lock()
		c.moved.Drop()
		c.mu.Unlock()
	}
	return err
}

// A DatagramEnd is Datagrams as one open file has them. It notes on the file's desk what goes through the
// kernel.
type DatagramEnd struct {
	*Datagrams
	backends.AtDesk
}

// Shared is backends.Noter.Shared.
func (e *DatagramEnd) Shared() backends.Endpoint { return e.Datagrams }

// TryRead is Port.TryRead.
func (e *DatagramEnd) TryRead(p []byte) (int, backends.Meta, error) { return e.receive(e.Desk, p) }

// TryWrite is Port.TryWrite.
func (e *DatagramEnd) TryWrite(p []byte, m backends.Meta) (int, error) { return e.send(e.Desk, p, m) }

// Close leaves the socket to others: it outlives each open file.
func (*DatagramEnd) Close() error { return nil }
