//go:build !race

package tests

// raceFlag makes the daemon what the tests are: built without the race detector.
const raceFlag = "-race=false"
