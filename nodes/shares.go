package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
)

// Shares count the descriptors of the daemon's that it keeps open for each user: one for a connection, one for what listens at a touched
// socket, which its owner pays for, and one for shared memory, which pays who opened it first. A user other than root may have half of
// all that the daemon may have, and all of them together three quarters. Who has taken gives back.
type Shares struct{ *backends.Budget }

func newShares() Shares {
	return Shares{backends.NewBudget(backends.Terms{Name: "descriptors", Err: backends.ErrDescriptors}, func(int64) backends.Bounds {
		most := int64(backends.MaxDescriptors())
		return backends.Bounds{One: most / 2, All: most / 4 * 3, Root: backends.Unbounded}
	})}
}

// Take counts one more: ErrDescriptors if that is more than the user may have.
func (s Shares) Take(uid uint32) error { return s.Budget.Take(uid, 1) }

// Give gives one back.
func (s Shares) Give(uid uint32) { s.Budget.Give(uid, 1) }
