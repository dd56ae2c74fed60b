package bench

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// SVG draws the report to a file: a row for each case, on it a mark at the median of each side and a line over all its runs. Time is on a
// logarithmic scale, so that equal distances are equal ratios.
func (r Report) SVG(name string) error {
	p := plot.New()
	p.Title.Padding, p.X.Padding, p.Y.Padding = vg.Points(8), vg.Points(8), vg.Points(8)
	p.Title.Text = fmt.Sprintf("ipcfs %s: time for one operation, median of %d runs", r.Version, r.Runs)
	p.X.Label.Text = "µs, logarithmic"
	p.X.Scale = plot.LogScale{}
	p.X.Tick.Marker = decades{}
	p.Legend.Top, p.Legend.XOffs = true, -vg.Points(20)
	names := make([]string, len(r.Results))
	for i, one := range r.Results {
		names[len(names)-1-i] = one.Name // the first is uppermost
	}
	for _, s := range []struct {
		name  string
		of    func(Result) *Sample
		color color.Color
		shape draw.GlyphDrawer
		above float64 // the sides of a row lie a little apart
	}{
		{"native", func(r Result) *Sample { return r.Native }, color.RGBA{0x33, 0x66, 0xaa, 0xff}, draw.CircleGlyph{}, 0.15},
		{"floor (the least of a FUSE daemon)", func(r Result) *Sample { return r.Floor }, color.RGBA{0x88, 0x88, 0x88, 0xff}, draw.SquareGlyph{}, 0},
		{"mounted", func(r Result) *Sample { return r.Mounted }, color.RGBA{0xcc, 0x55, 0x22, 0xff}, draw.PyramidGlyph{}, -0.15},
	} {
		var medians plotter.XYs
		for i, one := range r.Results {
			sample, y := s.of(one), float64(len(r.Results)-1-i)+s.above
			if sample == nil {
				continue
			}
			medians = append(medians, plotter.XY{X: sample.Median / 1000, Y: y})
			all, err := plotter.NewLine(plotter.XYs{{X: sample.Runs[0] / 1000, Y: y}, {X: sample.Runs[len(sample.Runs)-1] / 1000, Y: y}})
			if err != nil {
				return err
			}
			all.Color = s.color
			p.Add(all)
		}
		if len(medians) == 0 {
			continue
		}
		marks, err := plotter.NewScatter(medians)
		if err != nil {
			return err
		}
		marks.GlyphStyle = draw.GlyphStyle{Color: s.color, Radius: vg.Points(3), Shape: s.shape}
		p.Add(marks)
		p.Legend.Add(s.name, marks)
	}
	p.NominalY(names...)
	p.Add(plotter.NewGrid())
	p.Y.Max += 2 // room for the legend
	p.Y.Min -= 0.5
	p.X.Min, p.X.Max = p.X.Min/1.5, p.X.Max*1.5
	picture := vgsvg.New(20*vg.Centimeter, vg.Length(len(names)+4)*vg.Centimeter)
	p.Draw(draw.New(picture))
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = picture.WriteTo(f)
	return errors.Join(err, f.Close())
}

// decades marks the powers of ten.
type decades struct{}

// Ticks is plot.Ticker.Ticks.
func (decades) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: fmt.Sprintf("%g", v)})
		for m := 2.0; m < 10; m++ {
			ticks = append(ticks, plot.Tick{Value: m * v})
		}
	}
	return ticks
}
