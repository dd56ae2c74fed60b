package nodes

import (
	"fmt"
	"sync"

	"github.com/ipcfs/ipcfs/backends"
)

// Shares count the descriptors of the daemon's that it keeps open for each user: one for a connection, and one for shared memory, which
// pays who opened it first. A user other than root may have half of all that the daemon may have.
type Shares struct {
	mu    sync.Mutex
	byUid map[uint32]int
}

// Take counts one more: ErrDescriptors if that is more than the user may have. Who has taken gives back.
func (s *Shares) Take(uid uint32) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if most := backends.MaxDescriptors() / 2; uid != 0 && s.byUid[uid] >= most {
		return fmt.Errorf("%w: user %d has %d connections and shared memory objects open through ipcfs, which is half of what its"+
			" RLIMIT_NOFILE allows", backends.ErrDescriptors, uid, most)
	}
	s.byUid[uid]++
	return nil
}

// Give gives one back.
func (s *Shares) Give(uid uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byUid[uid]--; s.byUid[uid] == 0 {
		delete(s.byUid, uid)
	}
}
