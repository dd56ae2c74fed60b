package fs

// looked are the nodes that one user had looked up. The kernel keeps what it was told of until it needs the
// memory, and so does the tree: a user who invents names (sockets/tcp/h1:1, h2:1, …) would fill both.
type looked struct {
	count  int
	oldest []uint64 // their ids in the order they were made; some may be forgotten since
}

// maxNodes is how many nodes of one user's lookups the kernel is let keep, beside those that are open and
// their directories. A node takes about 500 bytes here and 1.5 KiB in the kernel.
const maxNodes = 1 << 15

// looked counts a node that was made. The caller holds t.mu.
func (t *table) looked(n *Node) {
	of := t.byUser[n.By]
	if of == nil {
		of = &looked{}
		t.byUser[n.By] = of
	}
	of.count++
	of.oldest = append(of.oldest, n.ID)
}

// unlooked counts a node that was forgotten. The caller holds t.mu.
func (t *table) unlooked(n *Node) {
	of := t.byUser[n.By]
	of.count--
	if of.count == 0 {
		delete(t.byUser, n.By)
		return
	}
	// Ids of nodes that are forgotten go from the front, and all at once when they are most.
	for len(of.oldest) > 0 && t.nodes[of.oldest[0]] == nil {
		of.oldest = of.oldest[1:]
	}
	if len(of.oldest) > 64 && len(of.oldest) > 2*of.count {
		kept := make([]uint64, 0, of.count)
		for _, id := range of.oldest {
			if t.nodes[id] != nil {
				kept = append(kept, id)
			}
		}
		of.oldest = kept
	}
}

// tooMany is a node that the kernel is to forget, as the user who had it looked up has too many: the oldest
// that is not open. false: there is none.
func (t *table) tooMany(uid uint32) (Node, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	of := t.byUser[uid]
	if of == nil || of.count <= maxNodes {
		return Node{}, false
	}
	for range min(len(of.oldest), 64) {
		id := of.oldest[0]
		n := t.nodes[id]
		if of.oldest = of.oldest[1:]; n == nil {
			continue
		}
		of.oldest = append(of.oldest, id) // it is still counted; if the kernel keeps it, its turn comes again
		if !n.Top && n.live.unused() {
			return *n, true
		}
	}
	return Node{}, false
}
