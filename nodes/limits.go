package nodes

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/ipcfs/ipcfs/backends"
)

// LimitsControl is /ctl/limits: what is used of each limit, and how to raise it.
func LimitsControl(limits func() []backends.Limit) Control {
	return TextControl("limits", func() (string, error) {
		var b strings.Builder
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "LIMIT\tUSED\tALLOWED\tRAISE IT WITH")
		for _, l := range limits() {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, known(l.Used), known(l.Limit), l.Raise)
		}
		err := w.Flush()
		return b.String(), err
	})
}

func known(n int64) string {
	if n < 0 {
		return "-"
	}
	return fmt.Sprint(n)
}
