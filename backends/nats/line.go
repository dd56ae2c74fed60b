package nats

// A line is ends that wait for a message of their queue, the first for longest. Their places are in
// themselves: there may be very many. Link.mu guards it.
type line struct {
	first, last *end
	n           int
}

// insert gives an end its place, by the turn that it has.
func (l *line) insert(e *end) {
	at := l.last
	for at != nil && at.turn > e.turn {
		at = at.before
	}
	e.before, e.next, e.stands = at, l.first, true
	if at == nil {
		l.first = e
	} else {
		e.next, at.next = at.next, e
	}
	if e.next == nil {
		l.last = e
	} else {
		e.next.before = e
	}
	l.n++
}

func (l *line) remove(e *end) {
	if e.before == nil {
		l.first = e.next
	} else {
		e.before.next = e.next
	}
	if e.next == nil {
		l.last = e.before
	} else {
		e.next.before = e.before
	}
	e.before, e.next, e.stands = nil, nil, false
	l.n--
}
