package nats

import (
	"testing"

	nats "github.com/nats-io/nats.go"
)

// FuzzGiven: what the subject of a delivery says is what the library reads there, and
// nothing is taken for one that the library does not take for one.
func FuzzGiven(f *testing.F) {
	for _, s := range []string{
		"$JS.ACK.ipcfs_q_a.p00007.1.2.3.4.5", "$JS.ACK._.hash.ipcfs_q_a.p32767.1.18446744073709551615.3.4.5.token",
		"$JS.ACK.hub.hash.ipcfs_q_a.p00000.3.2.3.4.5",
		"$JS.ACK.ipcfs_t_a=2Fb.g_workers.1.2.3.4.5", "$JS.ACK.a.p7.1.2.3.4.5", "$JS.ACK.", "$JS.ACK.a.p00007.x.2.3.4.5",
		"$JS.ACK.a.p00007.1.2", "$JS.FC.a", "$JS.ACK.a.p-0001.1.2.3.4.5", "$JS.ACK.a.p00007.-1.2.3.4.5",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ack string) {
		stream, consumer, d, ok := given(ack)
		if !ok {
			return
		}
		want, err := (&nats.Msg{Sub: &nats.Subscription{}, Reply: ack}).Metadata()
		if err != nil || want.Stream != stream || want.Consumer != consumer ||
			want.NumDelivered != uint64(d.tries) || want.Sequence.Stream != d.seq {
			t.Errorf("%q: %s %+v, and the library has %+v, %v", ack, stream, d, want, err)
		}
	})
}
