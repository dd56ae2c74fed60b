package backends

// How a desk tells of a message that is sent.

// Sends says that a message is about to be sent.
func (d *Desk) Sends() {
	if d != nil {
		d.head.sends = 1
	}
}

// SendsBehind is Sends to a queue with so many messages.
func (d *Desk) SendsBehind(queued int) {
	if d != nil {
		d.head.queued = uint32(queued)
		d.head.sends = 1
	}
}

// Queued is what SendsBehind was told.
func (d *Desk) Queued() int { return int(d.head.queued) }

// NotSent says that it was not.
func (d *Desk) NotSent() {
	if d != nil {
		d.head.sends = 0
	}
}

// Unsure reports, once, whether an earlier process was in the system call that sends the message which is to
// be sent now. It has ended that, as no signal ends a call that does not wait, or had not made it yet.
func (d *Desk) Unsure() bool {
	if d == nil || !d.unsure || d.at != d.left {
		return false
	}
	d.unsure = false
	return true
}
