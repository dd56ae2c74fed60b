package main

import (
	"os/exec"
	"testing"
)

// A process that has read the tree has ended when endReader returns: what it had open would keep the tree
// busy.
func TestEndReader(t *testing.T) {
	cmd := exec.Command("cat")
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	endReader(cmd)
	if cmd.ProcessState == nil {
		t.Fatal("it has not ended")
	}
}
