package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// facts are what a status.json says. A key that is not there counts as 0, "" or nothing.
type facts map[string]any

func factsOf(text []byte) (f facts, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return f, d.Decode(&f)
}

// num is a number.
func (f facts) num(key string) int64 {
	n, ok := f[key].(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		r, _ := n.Float64()
		return int64(r)
	}
	return i
}

// has reports whether a key is there.
func (f facts) has(key string) bool { _, ok := f[key]; return ok }

// str is a text.
func (f facts) str(key string) string {
	if v := f[key]; v != nil {
		return fmt.Sprint(v)
	}
	return ""
}

// words are the texts of a list.
func (f facts) words(key string) (list []string) {
	all, _ := f[key].([]any)
	for _, one := range all {
		list = append(list, fmt.Sprint(one))
	}
	return list
}

// rows are the facts of a list.
func (f facts) rows(key string) (list []facts) {
	all, _ := f[key].([]any)
	for _, one := range all {
		if row, ok := one.(map[string]any); ok {
			list = append(list, row)
		}
	}
	return list
}

// time is a time, the zero one if there is none.
func (f facts) time(key string) time.Time {
	t, err := time.Parse(time.RFC3339, f.str(key))
	if err != nil {
		return time.Time{}
	}
	return t
}
