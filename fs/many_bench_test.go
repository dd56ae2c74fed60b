package fs

import (
	"fmt"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// BenchmarkMany: what the tree itself takes, without the kernel, to make and remove an object and to look one
// up, where there are few and where there are many: medians. The objects stay but for the one.
func BenchmarkMany(b *testing.B) {
	shm := b.TempDir()
	tree, err := New(Config{StateDir: b.TempDir(), ShmDir: shm, MaxMsg: 10, MsgSize: 128})
	if err != nil {
		b.Fatal(err)
	}
	defer tree.Close()
	header := func(node uint64) fuse.InHeader {
		owner := fuse.Owner{Uid: uint32(os.Geteuid()), Gid: uint32(os.Getegid())}
		return fuse.InHeader{NodeId: node, Caller: fuse.Caller{Owner: owner}}
	}
	must := func(s fuse.Status) {
		b.Helper()
		if !s.Ok() {
			b.Fatal(s)
		}
	}
	for _, kind := range []string{"shm", "fifos", "topics"} {
		root := header(fuse.FUSE_ROOT_ID)
		var dir, entry fuse.EntryOut
		must(tree.Lookup(nil, &root, kind, &dir))
		h := header(dir.NodeId)
		typ := uint32(syscall.S_IFREG)
		if kind == "fifos" || kind == "sockets" {
			typ = syscall.S_IFIFO
		}
		if kind == "sockets" {
			typ = syscall.S_IFSOCK
		}
		made := 0
		create := func(name string) {
			must(tree.Mknod(nil, &fuse.MknodIn{InHeader: h, Mode: typ | 0644}, name, &entry))
		}
		for _, many := range []int{100, 3000, 30_000} {
			for ; made < many; made++ {
				create(fmt.Sprint("o", made))
			}
			b.Run(fmt.Sprint("create and remove/", kind, "/", many), func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					t := time.Now()
					create("one")
					must(tree.Unlink(nil, &h, "one"))
					tree.Forget(entry.NodeId, 1)
					took = append(took, time.Since(t))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2])/1e3, "median-µs")
			})
			i := 0
			b.Run(fmt.Sprint("look up/", kind, "/", many), func(b *testing.B) {
				var took []time.Duration
				for b.Loop() {
					t := time.Now()
					must(tree.Lookup(nil, &h, fmt.Sprint("o", i%many), &entry))
					tree.Forget(entry.NodeId, 1)
					i++
					took = append(took, time.Since(t))
				}
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2])/1e3, "median-µs")
			})
		}
	}
}
