package nodes

import "testing"

// endedTo is the end of a queue whose readers somebody else ends as soon as its ends were counted.
type endedTo struct {
	QueueEnd
	ends  int64
	other bool // has done so
}

func (e *endedTo) Ends() int64 {
	n := e.ends
	if !e.other {
		e.other = true
		e.ends++
	}
	return n
}

func (e *endedTo) EndReaders() { e.ends++ }

// TestEofAtOnce: of two who end the readers at once each gives an end of its own: somebody may have read that
// of the first before the second has its answer.
func TestEofAtOnce(t *testing.T) {
	end := &endedTo{ends: 5}
	if err := new(Env).endReaders(Caller{})(end); err != nil || end.ends != 7 {
		t.Errorf("%d ends after 5 and two more: %v", end.ends, err)
	}
}
