package nats

// EndReaders gives all who read the queue through this daemon now an end of file, once.
func (e *end) EndReaders() {
	e.enter()
	defer e.leave()
	e.q.eofs++
	for _, o := range e.q.ends {
		o.asks, o.turn = false, 0
		o.step()
		o.fire()
	}
}

// Ends counts the calls of EndReaders.
func (e *end) Ends() int64 {
	e.enter()
	defer e.leave()
	return e.q.eofs
}
