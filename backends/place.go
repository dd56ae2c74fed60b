package backends

// Place is where a reader stands in what is published to all who read it: plain data, from which it goes on
// in another process (Placer).
type Place struct {
	Next    uint64 // the number of the message from which on it has still to read
	Seen    uint64 // the number of the last message it got, or that came before it joined
	Skipped uint64 // how many it passed over since
	Gaps    uint64 // how many it missed before Seen,
	Before  uint64 // and how many of them were gone when it began
	Got     uint64 // how many it got,
	Bytes   uint64 // and how long they were together
	Cut     bool   // it was too slow, and gets no more
}

// A Placer is an Endpoint whose reader has a place.
type Placer interface {
	Place() Place
	// Resume puts the reader there, right after it was opened and before anything is published.
	Resume(Place)
}
