package nodes

import (
	"fmt"
	"slices"
	"strings"
)

// Meant is which of some words is most like one that is none of them, "" if none is like it.
func Meant(word string, of []string) string {
	best, least := "", 1+len(word)/5
	for _, one := range of {
		if one == "" || max(len(word)-len(one), len(one)-len(word)) > least {
			continue // it is at least that far: a long name is not to cost others time
		}
		if d := distance(word, one); d <= least {
			best, least = one, d-1
		}
	}
	return best
}

// distance is how many letters are to be put in, left out, changed or swapped with the next to make
// one word of the other (the optimal string alignment distance).
func distance(a, b string) int {
	row := func() []int { return make([]int, len(b)+1) }
	before, last, now := row(), row(), row()
	for j := range now {
		now[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, last, now = last, now, before
		now[0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			now[j] = min(last[j]+1, now[j-1]+1, last[j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				now[j] = min(now[j], before[j-2]+1)
			}
		}
	}
	return now[len(b)]
}

// someFaces are control files that some objects have and others do not.
var someFaces = strings.Fields("next drain lines records whole prio type peek lease last changed since group all " +
	"dial accept call peer shutdown sock data")

// forms are how the names of control files are written that are not listed themselves.
var forms = map[string]string{
	"next": "next, next@TIME", "prio": "prio/N", "type": "type/N", "peek": "peek/N", "since": "since/SEQ",
	"group": "group/NAME",
}

// mistyped is what is wrong with a name that leads to no control file, of those that there are: it is like
// one, has one before an @, or is one of other objects. Other names are nil, as those that shells, editors
// and tools look for.
func mistyped(name string, list []Control) error {
	var names, shown []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	slices.Sort(names)
	word, _, _ := strings.Cut(name, "@")
	best := Meant(word, names)
	if best == "" && !slices.Contains(someFaces, word) || strings.HasSuffix(name, "~") {
		return nil
	}
	for _, one := range names {
		if form := forms[one]; form != "" {
			one = form
		}
		shown = append(shown, one)
	}
	are := "there are " + strings.Join(shown, ", ")
	if best != "" && best != word {
		are = fmt.Sprintf("did you mean %s? %s", best, are)
	}
	return notOne(name, "control file", are)
}
