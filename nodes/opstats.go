package nodes

import (
	"fmt"
	"syscall"
	"time"
)

// OpStats are what was done with the message faces of a class by calls of one kind.
type OpStats struct {
	Class, Op string // Op is "read" or "write"
	Count     int64
	Bytes     int64
	Errors    map[syscall.Errno]int64
	Took      Histogram // calls that had not to wait: how long the daemon had them; of most a sample
	Waited    Histogram // those that had: how long they waited
}

// Histogram counts times.
type Histogram struct {
	Bounds []time.Duration // upper ones, ascending
	Counts []int64         // of the times up to each bound, and of all that are longer
	Sum    time.Duration
}

// Count is how many times there are.
func (h Histogram) Count() (n int64) {
	for _, one := range h.Counts {
		n += one
	}
	return n
}

// OpStatsRows are the lines of /ctl/operations.
func OpStatsRows(list []OpStats) (rows Rows) {
	for _, o := range list {
		failed := int64(0)
		for _, n := range o.Errors {
			failed += n
		}
		facts := []Fact{
			{"class", Literal(o.Class)}, {"op", Literal(o.Op)},
			{"count", o.Count}, {"errors", failed}, {"bytes", o.Bytes},
			{"waited", o.Waited.Count()}, {"waited_ms", o.Waited.Sum.Milliseconds()},
			{"us", o.Took.Sum.Microseconds()},
		}
		for i, n := range o.Took.Counts {
			key := "longer"
			if i < len(o.Took.Bounds) {
				key = "le_" + brief(o.Took.Bounds[i])
			}
			facts = append(facts, Fact{key, n})
		}
		rows = append(rows, facts)
	}
	return rows
}

// brief is a time below a second in few plain letters: 10us, 1ms.
func brief(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprint(d.Microseconds(), "us")
	}
	return fmt.Sprint(d.Milliseconds(), "ms")
}
