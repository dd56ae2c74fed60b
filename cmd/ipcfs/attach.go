package main

import (
	"fmt"
	"maps"
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

// oldestServer is the first nats-server that takes many messages at once, and has all else that is used.
const oldestServer = "2.12"

// linksDown tells of what is attached and has no connection.
func linksDown(daemon facts) (list []string) {
	for _, key := range slices.Sorted(maps.Keys(daemon)) {
		if name, link := strings.CutPrefix(key, "link_"); link && daemon.str(key) == "down" {
			list = append(list, name+": no connection: "+daemon.str(key+"_reason"))
		}
	}
	return list
}

// checkAttached looks at the links of a tree.
func checkAttached(at string, daemon facts) (list []finding) {
	for _, down := range linksDown(daemon) {
		list = append(list, fail("", "%s: %s", at, down))
	}
	for _, key := range slices.Sorted(maps.Keys(daemon)) {
		name, link := strings.CutPrefix(key, "link_")
		if !link || daemon.str(key) != "up" {
			continue
		}
		version := daemon.str(key + "_version")
		if older(version, oldestServer) {
			list = append(list, warn("nats-server "+oldestServer+" or later",
				"%s: %s: nats-server %s takes one message at a time only", at, name, version))
		} else {
			list = append(list, ok("%s: %s: nats-server %s, takes messages of at most %d bytes",
				at, name, version, daemon.num(key+"_max_payload")))
		}
	}
	return list
}

// older compares two versions of the form 2.12.1.
func older(version, than string) bool {
	var a, b [2]int
	_, _ = fmt.Sscanf(version, "%d.%d", &a[0], &a[1])
	_, _ = fmt.Sscanf(than, "%d.%d", &b[0], &b[1])
	return a[0] < b[0] || a[0] == b[0] && a[1] < b[1]
}
