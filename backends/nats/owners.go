package nats

import (
	"os/user"
	"strconv"
	"sync"
	"time"
)

// owners are the numbers of users, or of groups, by their names, as they were looked up a moment ago: each
// look at a queue asks for two, and to look one up reads a file of the system's at least (getpwnam(3)).
type owners struct {
	mu    sync.Mutex
	known map[string]owner
	since time.Time
}

type owner struct {
	n  uint32
	ok bool
}

// ownersPeriod is how long they are taken for true.
const ownersPeriod = 5 * time.Second

// number is that of a name, or the one that stands in its place; false: this machine does not know it. It may
// take long if look does.
func (o *owners) number(name string, look func(string) (string, error)) (uint32, bool) {
	if name == "" {
		return 0, false
	}
	o.mu.Lock()
	if time.Since(o.since) > ownersPeriod {
		o.known, o.since = map[string]owner{}, time.Now()
	}
	one, known := o.known[name]
	o.mu.Unlock()
	if known {
		return one.n, one.ok
	}
	text, err := look(name)
	if err != nil {
		text = name
	}
	n, err := strconv.ParseUint(text, 10, 32)
	one = owner{uint32(n), err == nil}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known[name] = one
	return one.n, one.ok
}

func userNumber(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupNumber(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}
