package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

func report() Report {
	return Report{Version: "v1", Kernel: "6.18", Go: "go1", Cpus: []int{0}, Daemon: []int{0, 1}, Runs: 3,
		Results: []Result{
			{
				Name: "queue 64 B", Bytes: 64, Native: sample([]float64{1600, 1500, 9000}),
				Mounted: sample([]float64{18000, 19000, 18500}),
				Floor:   sample([]float64{15000, 16000}), Target: Target{1.3, "floor"},
			},
			{
				Name: "queue lines 64 B", Bytes: 64, Native: sample([]float64{250}),
				Mounted: sample([]float64{510}), Target: Target{2, "native"},
			},
			{
				Name: "echo > queue", Bytes: 6, Native: sample([]float64{4000}),
				Mounted: sample([]float64{80000}), Requests: 5, NoFloor: "EPERM",
			},
		}}
}

func TestTable(t *testing.T) {
	r := report()
	got := r.Head()
	for _, one := range r.Results {
		got += one.Row()
	}
	want := `ipcfs v1, Linux 6.18, go1
programs on processor 0, daemon on 0,1; medians of 3 runs

                     native   mounted  ratio     floor  ratio  target
queue 64 B           1.6 µs   18.5 µs  11.56   15.5 µs   1.19  at most 1.30 x floor: yes
queue lines 64 B     250 ns    510 ns   2.04                   at most 2.00 x native: NO
echo > queue         4.0 µs   80.0 µs  20.00                   5 requests that the caller waits for
`
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if !strings.Contains(r.Foot(), "No floor for echo > queue: EPERM\n") {
		t.Error(r.Foot())
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || !reflect.DeepEqual(got, report()) {
		t.Errorf("%v: %+v", err, got)
	}
}

// The plot is XML and names every case.
func TestSVG(t *testing.T) {
	name := t.TempDir() + "/plot"
	if err := report().SVG(name); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	found := ""
	for d := xml.NewDecoder(bytes.NewReader(text)); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if s, ok := token.(xml.CharData); ok {
			found += string(s)
		}
	}
	for _, one := range report().Results {
		if !strings.Contains(found, one.Name) {
			t.Errorf("no %s in %q", one.Name, found)
		}
	}
}

func TestCases(t *testing.T) {
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.name] || c.size == 0 {
			t.Errorf("%+v", c)
		}
		names[c.name] = true
	}
}
