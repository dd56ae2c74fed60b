package nats

import (
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	nats "github.com/nats-io/nats.go"
)

// TestClaims: of a message that servers gave to two daemons one has it, whoever asks first.
func TestClaims(t *testing.T) {
	const from = "_INBOX.m"
	for _, c := range []struct {
		name    string
		was     fate
		inbox   string
		objects bool
		is      fate
	}{
		{"who has received it", taken, "_INBOX.z", true, taken},
		{"who claims it too and comes first", claimed, "_INBOX.a", true, claimed},
		{"who claims it too and comes last", claimed, "_INBOX.z", false, yielded},
		{"who is not that far", held, "_INBOX.a", false, yielded},
		{"to whom it is on its way", unknown, "_INBOX.a", false, yielded},
	} {
		l := &Link{inbox: c.inbox}
		l.out.more = sync.NewCond(&l.out.mu)
		l.fates.set(7, c.was)
		claims := encode(claim{From: from, Keys: []uint64{7}})
		l.claims(&nats.Msg{Subject: claimSubject, Reply: from + claimToken, Data: claims})
		var objection claim
		if len(l.out.line) > 0 {
			if m := l.out.line[0]; m.Subject != from+claimToken || json.Unmarshal(m.Data, &objection) != nil {
				t.Errorf("%s: %s %s", c.name, m.Subject, m.Data)
			}
		}
		if slices.Contains(objection.Keys, 7) != c.objects || l.fates.of(7) != c.is {
			t.Errorf("%s: objects to %v, and has %d, want %v and %d", c.name, objection.Keys, l.fates.of(7), c.objects, c.is)
		}
	}
	l := &Link{inbox: from}
	l.fates.set(7, claimed)
	l.claims(&nats.Msg{Subject: from + claimToken, Data: encode(claim{From: "_INBOX.z", Keys: []uint64{7}})})
	if is := l.fates.of(7); is != yielded {
		t.Errorf("after an objection it has %d", is)
	}
	l.fates.since = time.Now().Add(-doubleWindow - time.Second) // nothing came for a while
	l.fates.set(8, held)
	if was, is := l.fates.of(7), l.fates.of(8); was != unknown || is != held {
		t.Errorf("after a while it has %d and %d", was, is)
	}
}

// TestClaimsAgain: others are asked again for a while after another server began to lead, as they may not
// have been reached.
func TestClaimsAgain(t *testing.T) {
	e := oneEnd()
	l := e.q.l
	l.mu.Lock()
	l.up, l.c.Timeout, e.q.led = true, defaultTimeout, time.Now()
	one := e.newTake(1, 0, 0)
	one.list = []*delivery{{q: e.q, key: 7}}
	l.fates.set(7, held)
	one.claim()
	l.mu.Unlock()
	for begun := time.Now(); ; <-time.After(10 * time.Millisecond) {
		l.mu.Lock()
		asked, over := len(l.out.line), one.over
		l.mu.Unlock()
		switch {
		case over && asked < 3:
			t.Fatalf("asked %d times", asked)
		case over && l.fates.of(7) != taken:
			t.Fatalf("it has %d", l.fates.of(7))
		case over:
			return
		case time.Since(begun) > 20*time.Second:
			t.Fatal("it does not end")
		}
	}
}

// TestClaimedMeanwhile: a message that lies here until somebody comes for it is given to nobody if another
// daemon has claimed it by then.
func TestClaimedMeanwhile(t *testing.T) {
	e := oneEnd()
	l := e.q.l
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up = true
	e.hand = []*delivery{{q: e.q, key: 7, ack: "given", at: time.Now()}}
	claims := encode(claim{From: "_INBOX.m", Keys: []uint64{7}})
	l.claims(&nats.Msg{Subject: claimSubject, Reply: "_INBOX.m.c-", Data: claims})
	one := e.newTake(1, 0, 0)
	one.start()
	if one.acking || l.fates.of(7) != yielded {
		t.Errorf("it is received: it has %d", l.fates.of(7))
	}
	if m := l.out.line[0]; m.Subject != "given" || string(m.Data) != ackDone {
		t.Errorf("the server is told %s %s", m.Subject, m.Data)
	}
}

// TestPutBack: what was received for a member of a group who left is another's here, without a server, and
// nobody else's.
func TestPutBack(t *testing.T) {
	const from = "_INBOX.m"
	e := oneEnd()
	q, l := e.q, e.q.l
	l.mu.Lock()
	defer l.mu.Unlock()
	q.g, q.prios = &group{q: q, consumer: "g_w", settled: true, share: &share{}}, []uint32{0}
	l.queues[q.at()], l.inbox, l.up = q, "_INBOX.z", true
	d := &delivery{q: q, seq: 1, key: 7, ack: "given"}
	l.fates.set(d.key, taken)
	q.putBack(d)
	claims := encode(claim{From: from, Keys: []uint64{7}})
	l.claims(&nats.Msg{Subject: claimSubject, Reply: from + claimToken, Data: claims})
	if len(l.out.line) != 1 || l.out.line[0].Subject != from+claimToken {
		t.Errorf("nobody objects to the claim of another: %v", l.out.line)
	}
	e.newTake(1, 0, 0).start()
	if one := e.in; !one.over || one.err != nil || len(one.list) != 1 || len(l.questions) > 0 {
		t.Errorf("a member gets %d messages, %v; %d questions are open", len(one.list), one.err, len(l.questions))
	}
	again := &delivery{q: q, seq: 1, key: 7, ack: "again"}
	if !l.known(again) {
		t.Error("what a server gives again is not known")
	}
}
