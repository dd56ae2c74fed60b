package nats

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"os/user"
	"strconv"
	"strings"

	"github.com/ipcfs/ipcfs/backends"
	"golang.org/x/sys/unix"
)

// The keys of a stream's metadata. Modes do not bind other machines: they say who may do what in the trees
// that show the queue.
const (
	metaID      = "ipcfs.id" // 32 hexadecimal digits, others for each queue that is ever made
	metaMode    = "ipcfs.mode"
	metaOwner   = "ipcfs.owner"
	metaGroup   = "ipcfs.group"
	metaMsgSize = "ipcfs.msgsize"
	metaTries   = "ipcfs.max_tries"

	metaPriorities = "ipcfs.priorities"
	metaRedeliver  = "ipcfs.redeliver"
)

// idOf is which queue it is.
func idOf(info *streamInfo) backends.ID {
	if b, err := hex.DecodeString(info.Config.Metadata[metaID]); err == nil && len(b) == 16 {
		id := backends.ID{Ino: binary.BigEndian.Uint64(b), Born: binary.BigEndian.Uint64(b[8:])}
		if id != (backends.ID{}) { // which would be any queue's
			return id
		}
	}
	h := fnv.New64a() // one that no daemon has made
	h.Write([]byte(info.Config.Name))
	return backends.ID{Ino: h.Sum64() | 1, Born: uint64(info.Created.UnixNano())}
}

// sendsTo is where messages for the very queue of a stream are sent, followed by the priority.
func sendsTo(info *streamInfo, name string) string {
	if t := info.Config.SubjectTransform; t != nil && strings.HasPrefix(t.Source, onceSubjects) {
		return strings.TrimSuffix(t.Source, "*")
	}
	return queueSubjects + escape(name) + "." // no daemon has made it, or an older one
}

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	return hex.EncodeToString(b[:])
}

// newMeta are the metadata of a stream that is made for an owner.
func newMeta(o backends.Owner) map[string]string {
	meta := attrMeta(backends.Change{Mode: &o.Mode, Uid: &o.Uid, Gid: &o.Gid})
	meta[metaID] = newID()
	return meta
}

// attrMeta is how a stream's metadata say attributes.
func attrMeta(c backends.Change) map[string]string {
	set := map[string]string{}
	if c.Mode != nil {
		set[metaMode] = "0" + strconv.FormatUint(uint64(*c.Mode&07777), 8)
	}
	if c.Uid != nil {
		set[metaOwner] = ownerName(*c.Uid)
	}
	if c.Gid != nil {
		set[metaGroup] = groupName(*c.Gid)
	}
	return set
}

// update changes the configuration of a stream as it was found.
func (l *Link) update(info *streamInfo, f func(*streamConfig)) error {
	if info.Config.Metadata == nil {
		info.Config.Metadata = map[string]string{}
	}
	f(&info.Config)
	return l.call("STREAM.UPDATE."+info.Config.Name, info.Config, nil)
}

// attr are the attributes of the queue of a stream. A user or group that this machine does not know is that
// of the attachment.
func (l *Link) attr(info *streamInfo) backends.Attr {
	meta := info.Config.Metadata
	mode := l.c.Mode
	if n, err := strconv.ParseUint(meta[metaMode], 8, 32); err == nil {
		mode = uint32(n) & 07777
	}
	a := backends.Attr{
		ID: idOf(info), Mode: unix.S_IFREG | mode, Nlink: 1, Uid: l.c.Uid, Gid: l.c.Gid,
		Size: int64(info.State.Bytes), Mtime: info.State.LastTime, Ctime: info.Created, Atime: info.Created,
	}
	if a.Mtime.IsZero() {
		a.Mtime = info.Created
	}
	if n, ok := l.owners.number(meta[metaOwner], userNumber); ok {
		a.Uid = n
	}
	if n, ok := l.groups.number(meta[metaGroup], groupNumber); ok {
		a.Gid = n
	}
	return a
}

// ownerName and groupName are what others know a user and a group by; the number where there is no name.
func ownerName(uid uint32) string {
	n := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(n); err == nil {
		return u.Username
	}
	return n
}

func groupName(gid uint32) string {
	n := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(n); err == nil {
		return g.Name
	}
	return n
}
