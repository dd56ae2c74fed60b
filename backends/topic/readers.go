package topic

import "errors"

// ErrCut is the answer to a reader whose subscription was ended because it was slow.
var ErrCut = errors.New("reader was too slow and was cut off")

// Subscribe opens a subscription to what is published from now on, and before that the retained value if
// the rules say so.
func (t *Topic) Subscribe(writes bool) *Subscription {
	t.all.mu.Lock()
	defer t.all.unlock()
	return t.subscribe(writes)
}

func (t *Topic) subscribe(writes bool) *Subscription {
	s := &Subscription{topic: t, holders: 1, writes: writes, stat: t.Stat}
	pos, seen := t.backlog.end(), t.n
	if m := t.value(); m != nil && t.rules.Retain {
		pos, seen = pos-1, m.seq-1
	}
	t.join(s, pos, seen)
	t.use()
	return s
}

// Since opens a subscription to what was published after the message with number seq, as far as it is kept.
// A number that was not given yet is one of an earlier daemon's: all that is kept is newer.
func (t *Topic) Since(seq uint64, writes bool) *Subscription {
	t.all.mu.Lock()
	defer t.all.unlock()
	if seq > t.n {
		seq = 0
	}
	seq = max(seq, t.forgotten)
	s := &Subscription{topic: t, holders: 1, writes: writes, stat: t.Stat}
	t.join(s, t.backlog.after(seq), seq)
	t.use()
	return s
}

// Group opens the subscription that all readers share who name the same group. It ends with the last of them.
func (t *Topic) Group(name string, writes bool) *Subscription {
	t.all.mu.Lock()
	defer t.all.unlock()
	s := t.groups[name]
	if s == nil || s.cut {
		s = t.subscribe(writes)
		s.group = name
		t.groups[name] = s
		return s
	}
	s.holders++
	s.writes = s.writes || writes
	return s
}
