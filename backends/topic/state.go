package topic

import "github.com/ipcfs/ipcfs/backends"

// State is what there is to tell about a topic.
type State struct {
	Broken    bool           // its file holds something that is no rules, so it has the default ones
	Last      uint64         // number of the newest message
	Value     uint64         // number of the retained one; 0: none
	Messages  int            // it holds
	Cost      int            // of them, in bytes of memory
	Given     backends.Moved // what readers got, each message counted once for each reader
	Published int64          // bytes; -1: nobody counts them here
	Lost      uint64         // messages that readers missed, counted once for each reader
	Watchers  int            // notices that are open
	Readers   []ReaderState
}

// ReaderState is what there is to tell about a subscription.
type ReaderState struct {
	Ends    []backends.Waiter // of those who share it, or of the one who has it
	Group   string
	Pending int
	Lost    uint64
}

// State tells about the topic.
func (t *Topic) State() State {
	t.all.mu.Lock()
	defer t.all.unlock()
	s := t.state()
	s.Broken = t.broken
	if t.all.dir != nil {
		s.Published = int64(t.published)
	}
	if m := t.value(); m != nil {
		s.Value = m.seq
	}
	return s
}

func (f *feed) state() State {
	s := State{
		Last: f.n, Messages: f.backlog.len(), Cost: f.bytes, Watchers: f.watchers,
		Given: f.given.Moved(), Lost: uint64(f.lost.Load()), Published: -1,
	}
	for r := range f.readers {
		s.Lost += r.missed()
		s.Given.Add(int64(r.got), int64(r.bytes))
		s.Readers = append(s.Readers, ReaderState{[]backends.Waiter{r}, r.group, len(r.rest()), r.missed()})
	}
	return s
}
