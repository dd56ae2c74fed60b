//go:build !race

package tests

// raceFlag has the daemon built as the tests are: without the race detector.
const raceFlag = "-race=false"
