package tests

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers are the packages from top to bottom. Imports run down only.
var layers = []string{"cmd", "mount", "fs", "nodes", "backends"}

const module = "github.com/ipcfs/ipcfs/"

// mayImport reports whether a package of backends, or below it, may import another
// one: a family knows backends and no other family.
func mayImport(pkg, imp string) bool {
	const backends = module + "backends"
	below := strings.HasPrefix(pkg, backends+"/")
	if !below && pkg != backends || !strings.HasPrefix(imp, module) {
		return true
	}
	return below && imp == backends
}

// TestLayers holds the one-way imports, and which packages may know of FUSE and of system calls.
func TestLayers(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	layerOf := func(pkg string) int {
		rest, ours := strings.CutPrefix(pkg, module)
		if !ours {
			return -1
		}
		dir, _, _ := strings.Cut(rest, "/")
		return slices.Index(layers, dir)
	}
	seen := map[int]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		pkg, imports, _ := strings.Cut(lines.Text(), " ")
		from := layerOf(pkg)
		if strings.HasPrefix(pkg, module+"tests") {
			continue
		}
		if from < 0 {
			t.Errorf("%s is in no layer", pkg)
		}
		seen[from] = true
		for imp := range strings.FieldsSeq(imports) {
			if strings.HasPrefix(imp, module+"tests") {
				t.Errorf("%s imports %s: the tests' tools are for tests", pkg, imp)
			}
			if !mayImport(pkg, imp) {
				t.Errorf("%s imports %s: a family of backends imports backends, which imports nothing of ours", pkg, imp)
			}
			if to := layerOf(imp); to >= 0 && to < from {
				t.Errorf("%s imports %s: imports run down only", pkg, imp)
			}
			switch layer := layers[max(0, from)]; {
			case layer == "backends" && strings.Contains(imp, "go-fuse"):
				t.Errorf("%s knows FUSE: it imports %s", pkg, imp)
			case layer == "nodes" && (imp == "golang.org/x/sys/unix" || strings.Contains(imp, "go-fuse")):
				t.Errorf("%s imports %s: it knows neither raw system calls nor FUSE", pkg, imp)
			case layer == "cmd" && strings.Contains(imp, "go-fuse") && pkg != module+"cmd/ipcfs/bench/floor":
				t.Errorf("%s knows FUSE: it imports %s", pkg, imp)
			}
		}
	}
	if len(seen) != len(layers) {
		t.Errorf("go list shows %d layers, there are %d", len(seen), len(layers))
	}
}

// TestLayout holds that the top level has the fixed directories and nothing
// else, but for what is built there: ipcfs, where go build puts it, and packaging/build's dist.
func TestLayout(t *testing.T) {
	fixed := append([]string{
		"go.mod", "go.sum", "tests", "README.md", "docs", "packaging", "LICENSE",
		"ipcfs", "dist",
	}, layers...)
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(fixed, e.Name()) && !strings.HasPrefix(e.Name(), ".") {
			t.Errorf("%s is not in the layout", e.Name())
		}
	}
}
