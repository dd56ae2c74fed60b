package main

import (
	"fmt"
	"strconv"
	"strings"
)

// limit is a row of ctl/limits.
type limit struct {
	Name    string `json:"name"`
	Used    int64  `json:"used"`
	Allowed int64  `json:"allowed"`
	Raise   string `json:"raise"`
}

// limitsOf reads ctl/limits. What is not known, or has no limit, is -1.
func limitsOf(text string) (list []limit) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || f[0] == "LIMIT" {
			continue
		}
		number := func(s string) int64 {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return -1
			}
			return n
		}
		list = append(list, limit{f[0], number(f[1]), number(f[2]), strings.Join(f[3:], " ")})
	}
	return list
}

// nearly is the share of a limit from which on people are warned.
const nearly = 0.8

// warning is what to say of a limit that is nearly used up; "" if it is not.
func (l limit) warning() string {
	if l.Used < 0 || l.Allowed <= 0 || float64(l.Used) < nearly*float64(l.Allowed) {
		return ""
	}
	return fmt.Sprintf("%s %d%% used (%d of %d): %s", l.Name, l.Used*100/l.Allowed, l.Used, l.Allowed, l.Raise)
}
