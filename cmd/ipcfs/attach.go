package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/fs"
)

// attachments is the setting of what is attached: each time it is given is one more.
type attachments []fs.Attachment

func (a *attachments) String() string { return strings.Join(a.all(), " ") }

// all are the values that it was given.
func (a *attachments) all() (list []string) {
	for _, one := range *a {
		list = append(list, one.Asked)
	}
	return list
}

// Set is pflag.Value.Set.
func (a *attachments) Set(v string) error {
	name, config, err := nats.ParseAttach(v)
	if err != nil {
		return err
	}
	if _, err := config.Options(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if slices.ContainsFunc(*a, func(one fs.Attachment) bool { return one.Name == name }) {
		return fmt.Errorf("%s is attached twice", name)
	}
	*a = append(*a, fs.Attachment{Name: name, Asked: v, Config: config})
	return nil
}

// Type is pflag.Value.Type.
func (*attachments) Type() string { return "attachment" }
