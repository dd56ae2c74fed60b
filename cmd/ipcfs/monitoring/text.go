package monitoring

import (
	"context"
	"sync"
	"time"
)

// text is what is made for all who ask at the same time, and lasts a second.
type text struct {
	make func() ([]byte, error)
	typ  string // Content-Type

	mu   sync.Mutex
	now  *making
	made time.Time // when now was begun
}

// making is a text that is being made, or was.
type making struct {
	done chan struct{}
	text []byte
	err  error
}

// lasts is how long a text is given to all who ask.
const lasts = time.Second

// get waits for the text, as long as ctx lasts. One that somebody waits for goes on being made after that.
func (t *text) get(ctx context.Context, ended *sync.WaitGroup) ([]byte, error) {
	t.mu.Lock()
	m := t.now
	if m == nil || m.over() && time.Since(t.made) > lasts {
		m = &making{done: make(chan struct{})}
		t.now, t.made = m, time.Now()
		ended.Go(func() {
			defer close(m.done)
			m.text, m.err = t.make()
		})
	}
	t.mu.Unlock()
	select {
	case <-m.done:
		return m.text, m.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *making) over() bool {
	select {
	case <-m.done:
		return true
	default:
		return false
	}
}
