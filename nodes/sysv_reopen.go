package nodes

import "time"

// Reopen is Reopener.Reopen.
func (s *Segments) Reopen(at Ref, fd int, kept []byte) (Memory, error) {
	was := at.Was
	if err := Decode(kept, func(c *Coder) { codeSegment(c, &was) }); err != nil {
		return nil, err
	}
	open, err := s.back.Reopen(fd, was)
	if err != nil {
		return nil, err
	}
	return mapped{open}, nil
}

// Last is Lasting.Last: what the kernel does not tell of a segment that was removed, and its node neither.
func (m mapped) Last(c *Coder) {
	was := m.Was()
	codeSegment(c, &was)
}

func codeSegment(c *Coder, a *Attr) {
	Number(c, &a.Size)
	for _, at := range []*time.Time{&a.Atime, &a.Mtime, &a.Ctime} {
		sec := at.Unix()
		Number(c, &sec)
		*at = time.Unix(sec, 0)
	}
	a.Blocks = (a.Size + 511) / 512
}
