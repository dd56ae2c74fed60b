package nodes

import "path"

// Unmake removes an object that was just made, as nothing is made by an open that fails, unless its name
// leads to another one by now: others may have moved it, and put theirs in its place.
func Unmake(dir Object, s Seen, by Caller) {
	in, ok := dir.(interface {
		Directory
		Maker
	})
	if !ok {
		return
	}
	name := path.Base(s.Path)
	if now, err := in.Find(name); err == nil && now.Was.ID == s.Was.ID {
		_ = in.Remove(name, by)
	}
}
