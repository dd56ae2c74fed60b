package bench

import (
	"fmt"
	"html"
	"math"
	"os"
	"strings"
)

// A series is one of the three ways each case is measured, and how the plot shows it: by
// colour and by shape, so that it reads in black and white too.
type series struct {
	name  string
	of    func(Result) *Sample
	color string
	mark  string  // an SVG path around 0,0
	shift float64 // in pixels: the sides of a row lie a little apart
}

var plotted = []series{
	{"native", func(r Result) *Sample { return r.Native }, "#3366aa", "M-4,0a4,4 0 1 0 8,0a4,4 0 1 0 -8,0z", -7},
	{
		"floor (the least of a FUSE daemon)", func(r Result) *Sample { return r.Floor }, "#888888",
		"M-3.5,-3.5h7v7h-7z", 0,
	},
	{"mounted", func(r Result) *Sample { return r.Mounted }, "#cc5522", "M0,-4.5l4.5,8h-9z", 7},
}

// The plot in pixels: names left of plotLeft, a row for each case below
// plotTop, the scale from plotLeft to plotRight.
const (
	plotLeft, plotRight, plotWidth = 250, 790, 820
	plotTop, plotRow               = 80, 36
)

// SVG draws the report to a file: a row for each case, on it a mark at the median of each side and a line
// over all its runs. Time is on a logarithmic scale, so that equal distances are equal ratios.
func (r Report) SVG(name string) error {
	low, high := r.decades()
	at := func(ns float64) float64 { // the place of a time
		return plotLeft + (math.Log10(ns/1000)-float64(low))/float64(high-low)*(plotRight-plotLeft)
	}
	bottom := plotTop + plotRow*len(r.Results)
	var b strings.Builder
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n",
			x, y, anchor, html.EscapeString(s))
	}
	line := func(x1, y1, x2, y2 float64, color string, width float64) {
		fmt.Fprintf(&b, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%g\"/>\n",
			x1, y1, x2, y2, color, width)
	}
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "+
		"font-family=\"sans-serif\" font-size=\"12\">\n", plotWidth, bottom+50)
	fmt.Fprintf(&b, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n")
	text(plotWidth/2, 22, "middle", fmt.Sprintf("ipcfs %s: time for one operation, median of %d runs",
		r.Version, r.Runs))

	for e := low; e <= high; e++ { // the powers of ten, and the lines between them
		v := math.Pow10(e)
		x := at(v * 1000)
		line(x, plotTop, x, float64(bottom), "#bbbbbb", 1)
		text(x, float64(bottom)+16, "middle", fmt.Sprintf("%g", v))
		for m := 2.0; m < 10 && e < high; m++ {
			line(at(m*v*1000), plotTop, at(m*v*1000), float64(bottom), "#eeeeee", 1)
		}
	}
	text((plotLeft+plotRight)/2, float64(bottom)+36, "middle", "µs, logarithmic")

	x := float64(plotLeft)
	for _, s := range plotted {
		fmt.Fprintf(&b, "<path d=\"%s\" fill=\"%s\" transform=\"translate(%.1f,48)\"/>\n", s.mark, s.color, x)
		text(x+10, 52, "start", s.name)
		x += 40 + 7*float64(len(s.name))
	}
	for i, one := range r.Results {
		middle := float64(plotTop + plotRow*i + plotRow/2)
		text(plotLeft-10, middle+4, "end", one.Name)
		for _, s := range plotted {
			sample := s.of(one)
			if sample == nil {
				continue
			}
			y := middle + s.shift
			line(at(sample.Runs[0]), y, at(sample.Runs[len(sample.Runs)-1]), y, s.color, 1.5)
			fmt.Fprintf(&b, "<path d=\"%s\" fill=\"%s\" transform=\"translate(%.1f,%.1f)\"/>\n",
				s.mark, s.color, at(sample.Median), y)
		}
	}
	b.WriteString("</svg>\n")
	return os.WriteFile(name, []byte(b.String()), 0o666)
}

// decades gives the powers of ten, in microseconds, between which all runs lie; they differ.
func (r Report) decades() (low, high int) {
	shortest, longest := math.Inf(1), 0.0
	for _, one := range r.Results {
		for _, s := range plotted {
			if sample := s.of(one); sample != nil {
				shortest = min(shortest, sample.Runs[0])
				longest = max(longest, sample.Runs[len(sample.Runs)-1])
			}
		}
	}
	if longest == 0 { // nothing was measured
		return 0, 1
	}
	low, high = int(math.Floor(math.Log10(shortest/1000))), int(math.Ceil(math.Log10(longest/1000)))
	return low, max(high, low+1)
}
