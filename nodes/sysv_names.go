package nodes

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ipcfs/ipcfs/backends/sysv"
)

// A System V object (sysvipc(7)) is called by its key as ipcs(1) prints it, 0x00004101. A shorter
// way to write the key, 0x4101, leads to the same object. One that has no key (IPC_PRIVATE) is
// called by its id, in a directory of its own.
const privateDir = "private"

// keyOf is the key that a name is; false if it is none.
func keyOf(name string) (uint32, bool) {
	digits, ok := strings.CutPrefix(name, "0x")
	key, err := strconv.ParseUint(digits, 16, 32)
	return uint32(key), ok && err == nil
}

func keyName(key uint32) string { return fmt.Sprintf("0x%08x", key) }

// sysvPath is the path that an object is listed by, below its class.
func sysvPath(o sysv.Object) string {
	if o.Key == 0 {
		return privateDir + "/" + strconv.Itoa(o.ID)
	}
	return keyName(o.Key)
}

// sysvNames are the names in the directory of the objects that have a key, or of those that have none.
type sysvNames struct{ private bool }

// attr is what stat(2) shows of the directory.
func (d sysvNames) attr(began time.Time) Attr {
	if d.private {
		return ourDir(2, 0777, began)
	}
	return ourDir(1, 0777, began)
}

// below is the directory of the objects that have no key, if name is its name.
func (d sysvNames) below(name string, began time.Time) (Seen, bool) {
	return Seen{Ref: Ref{Path: name, Was: sysvNames{true}.attr(began)}, Ours: true},
		!d.private && name == privateDir
}

// id is the id of the object of a name, ENOENT if there is none; find finds it by its key.
func (d sysvNames) id(name string, find func(key uint32) (int, error)) (int, error) {
	if !d.private {
		key, ok := keyOf(name)
		if !ok {
			return 0, syscall.ENOENT
		}
		return find(key)
	}
	id, err := strconv.ParseInt(name, 10, 32)
	if err != nil || name != strconv.Itoa(int(id)) {
		return 0, syscall.ENOENT
	}
	return int(id), nil
}

// has is ENOENT for an object that was found by its id but has a key: its name is in the other directory.
func (d sysvNames) has(o sysv.Object) error {
	if d.private && o.Key != 0 {
		return syscall.ENOENT
	}
	return nil
}

// entries lists those of the objects that are in the directory, and the directory below it.
func (d sysvNames) entries(all []sysv.Object) (list []Entry) {
	if !d.private {
		list = append(list, Entry{Name: privateDir, Type: syscall.S_IFDIR})
	}
	for _, o := range all {
		switch {
		case !d.private && o.Key != 0:
			list = append(list, Entry{Name: keyName(o.Key), Type: syscall.S_IFREG})
		case d.private && o.Key == 0:
			list = append(list, Entry{Name: strconv.Itoa(o.ID), Type: syscall.S_IFREG})
		}
	}
	return list
}
