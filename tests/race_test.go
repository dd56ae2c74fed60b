//go:build race

package tests

// raceFlag makes the daemon what the tests are: built with the race detector.
const raceFlag = "-race"
