package monitoring

import (
	"fmt"
	"slices"
	"strings"
)

// Plots are SVG without colours: what is drawn in two lines has one of them dashed.
const (
	plotWidth  = 240
	plotHeight = 44
	plotTop    = 3 // room for the width of a line
)

// plot draws lines of points, the oldest left, in one scale that begins at 0. title says in words what it is,
// for those who do not see it; unit, what is counted.
func plot(title, unit string, lines ...[]float32) string {
	most := float32(0)
	for _, line := range lines {
		most = max(most, slices.Max(line))
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" preserveAspectRatio="none">`, plotWidth, plotHeight)
	fmt.Fprintf(&b, `<title>%s: %s at most, %s now</title>`, title, amount(most)+unit, amount(last(lines[0]))+unit)
	fmt.Fprintf(&b, `<path class="base" d="M0 %d.5H%d"/>`, plotHeight-1, plotWidth)
	for i, line := range lines {
		fmt.Fprintf(&b, `<polyline class="line%d" points="%s"/>`, i+1, coordinates(line, most))
	}
	b.WriteString("</svg>")
	return b.String()
}

func last(line []float32) float32 { return line[len(line)-1] }

// coordinates are the points of a line, of which most is as high as the plot. Of those that are as high as
// both their neighbours there are none.
func coordinates(line []float32, most float32) string {
	var b strings.Builder
	for i, v := range line {
		if i > 0 && i < len(line)-1 && line[i-1] == v && line[i+1] == v {
			continue
		}
		high := float32(0)
		if most > 0 {
			high = v / most * (plotHeight - plotTop - 1)
		}
		fmt.Fprintf(&b, "%.4g,%.4g ", float32(i)*plotWidth/float32(len(line)-1), plotHeight-1-high)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// amount is a number in few letters.
func amount(n float32) string {
	switch {
	case n >= 1e6:
		return fmt.Sprintf("%.1fM", n/1e6)
	case n >= 1e4:
		return fmt.Sprintf("%.0fk", n/1e3)
	case n >= 100 || n == float32(int(n)):
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.1f", n)
}
