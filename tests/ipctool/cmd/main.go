// Command ipctool is package ipctool as a program.
package main

import "github.com/ipcfs/ipcfs/tests/ipctool"

func main() { ipctool.Main() }
