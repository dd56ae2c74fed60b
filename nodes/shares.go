package nodes

import (
	"github.com/ipcfs/ipcfs/backends"
)

// Shares count the descriptors that the daemon keeps open for each user: one for a connection, one for a
// listener, which the owner of the touched socket pays for, and one for a queue or a shared memory object,
// which its first opener pays for. A user other than root may have half of what the daemon may have, all of
// them together three quarters. What was taken is given back by the same caller.
type Shares struct{ *backends.Budget }

func newShares() Shares {
	return Shares{backends.NewBudget(backends.Terms{Name: "descriptors", Err: backends.ErrDescriptors},
		func(int64) backends.Bounds {
			most := int64(backends.MaxDescriptors())
			return backends.Bounds{One: most / 2, All: most / 4 * 3, Root: backends.Unbounded}
		})}
}

// Take counts one more: ErrDescriptors if that is more than the user may have.
func (s Shares) Take(uid uint32) error { return s.Budget.Take(uid, 1) }

// Give gives one back.
func (s Shares) Give(uid uint32) { s.Budget.Give(uid, 1) }

// unasked are Shares for what was open before a hand-over: it stays open, whoever is found first to pay now.
type unasked struct{ Shares }

// Take counts one more.
func (s unasked) Take(uid uint32) error {
	s.Add(uid, 1)
	return nil
}
