package main

import (
	"io"
	"os"

	"github.com/ipcfs/ipcfs/backends"
)

// logFile is where the daemon logs. When it has grown to maxLog its text goes to NAME.old, in the place of
// what that held, and it begins anew. It stays the same file: stderr is it too, where Go's runtime tells of a
// crash. Write is called by one goroutine at a time.
type logFile struct {
	*os.File
	size int64
	// NAME.old, nil without one. It is opened at the start: to make a name later takes the lock of the
	// directory, which whoever may list it can hold as long as they like.
	old *os.File
}

// maxLog is how long a log becomes, in bytes: users make the daemon warn of what they do.
const maxLog = 1 << 20

// openLog opens a log to go on with it.
func openLog(name string) (*logFile, error) {
	f, err := backends.OpenRegular(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0640)
	if err != nil {
		return nil, err
	}
	l := &logFile{File: f}
	if old, err := backends.OpenRegular(name+".old", os.O_RDWR|os.O_CREATE, 0640); err == nil {
		l.old = old
	}
	if st, err := f.Stat(); err == nil {
		l.size = st.Size()
	}
	return l, nil
}

// Write appends to the log.
func (l *logFile) Write(p []byte) (int, error) {
	if l.size+int64(len(p)) > maxLog {
		l.begin()
	}
	n, err := l.File.Write(p)
	l.size += int64(n)
	return n, err
}

// begin begins anew. Where the old text cannot be kept, on a full disk perhaps,
// it is given up: a log must not grow for ever.
func (l *logFile) begin() {
	if l.old != nil && l.old.Truncate(0) == nil {
		_, _ = io.Copy(io.NewOffsetWriter(l.old, 0), io.NewSectionReader(l.File, 0, l.size))
	}
	if l.Truncate(0) == nil {
		l.size = 0
	}
}

// Close closes the log.
func (l *logFile) Close() error {
	if l.old != nil {
		_ = l.old.Close()
	}
	return l.File.Close()
}
