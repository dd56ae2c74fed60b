package nodes

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ipcfs/ipcfs/backends"
	"github.com/ipcfs/ipcfs/backends/socket"
)

// packages are all Go files of the daemon below cmd.
func packages(t *testing.T, f func(name string, file *ast.File)) {
	t.Helper()
	for _, dir := range []string{"../backends", ".", "../fs", "../mount"} {
		err := filepath.WalkDir(dir, func(name string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err == nil {
				f(name, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestAdvices: each reason has a sentence, each sentence a reason, and its braces hold facts that there are.
func TestAdvices(t *testing.T) {
	reasons := map[backends.Reason]bool{}
	packages(t, func(name string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || spec.Type == nil {
				return true
			}
			typ := fmt.Sprint(spec.Type)
			if sel, ok := spec.Type.(*ast.SelectorExpr); ok {
				typ = sel.Sel.Name
			}
			if typ != "Reason" {
				return true
			}
			for _, v := range spec.Values {
				reason, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil || reasons[backends.Reason(reason)] {
					t.Errorf("%s: reason %q, %v", name, reason, err)
				}
				reasons[backends.Reason(reason)] = true
			}
			return true
		})
	})
	for reason := range reasons {
		if advices[reason] == "" {
			t.Errorf("there is no sentence for %s", reason)
		}
	}
	for reason, text := range advices {
		said := sentence(text, &backends.Refusal{Limit: "descriptors"}, map[string]string{})
		if !reasons[reason] || strings.ContainsAny(said, "{}") {
			t.Errorf("%s: %s", reason, said)
		}
	}
}

// TestAdviceInOneTable: what people type to mend things, and the flags of ipcfs, stand in the tables of
// advice.go and limits.go alone.
func TestAdviceInOneTable(t *testing.T) {
	advice := regexp.MustCompile(`--[a-z]|ulimit|systemd|remount|sysctl |LimitNOFILE|ipcrm`)
	packages(t, func(name string, file *ast.File) {
		if name == "advice.go" || name == "limits.go" {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && advice.MatchString(lit.Value) {
				t.Errorf("%s: %s", name, lit.Value)
			}
			return true
		})
	})
}

// TestSpoken: a refusal is said in its sentence, wherever it stands in an error, and what users have typed
// is not taken for facts.
func TestSpoken(t *testing.T) {
	over := &backends.Refusal{Err: syscall.EDQUOT, Why: backends.OverOne, Limit: "state_files", Name: "/run/{uid}",
		Value: 5, More: 2, Most: 6, Uid: 5}
	flags := map[string]string{"net": "--net", "state-dir": "-o state-dir"}
	for _, c := range []struct {
		err   error
		flags map[string]string
		want  string
	}{
		{over, flags, "create a: disk quota exceeded: user 5 has 5 names in fifos, sockets and topics and" +
			" messages on lease," +
			" and one user may have 6; this needs 2 more: remove some, or give the file system of /run/{uid} more (df -i)," +
			" or choose another -o state-dir"},
		{&backends.Refusal{Err: socket.ErrReach, Why: backends.NetOff}, flags, "create a: permission" +
			" denied: " +
			"outside of the network that is lent: the tree is mounted with --net=off; it takes" +
			" --net=loopback or --net=any"},
		{&backends.Refusal{Err: socket.ErrReach, Why: backends.NetOff}, nil, "create a: permission denied: " +
			"outside of the network that is lent: the tree is mounted with net=off; it takes net=loopback" +
			" or net=any"},
		{fmt.Errorf("h is not in /etc/hosts:"+
			" %w", &backends.Refusal{Err: syscall.ENOSPC, Why: backends.NoRoom, Name: "/x"}), nil,
			"create a: no space left on device: h is not in /etc/hosts: no space left on device: /x has" +
				" no room left: see df and df -i of it"},
		{fmt.Errorf("%w: {set net=x} {uid}", syscall.EINVAL), flags,
			"create a: invalid argument: {set net=x} {uid}"},
		{&backends.Refusal{Err: syscall.ENOBUFS, Why: whyCrowded, Uid: 3}, nil, "create a: no buffer" +
			" space available: user 3 has as many" +
			" requests waiting (65536), or as many bytes in writes that wait (64 MiB), or in messages" +
			" they have read a part of (64 MiB)," +
			" as one user may: read to the end, or end some of their programs"},
	} {
		var known *Error
		err := located("a", advise("create", Errno(c.err), c.err))
		if !errors.As(err, &known) || known.Say(c.flags) != c.want {
			t.Errorf("%s\nwant %s", known.Say(c.flags), c.want)
		}
	}
	for n, want := range map[int64]string{
		64 << 20: "64 MiB", 1536: "1536 bytes", 65536: "64 KiB", 0: "0 bytes", 2 << 30: "2 GiB",
	} {
		if got := inBytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
