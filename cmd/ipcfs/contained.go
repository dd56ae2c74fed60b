package main

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// contained reports whether this is a container, which Docker, Podman, systemd and Kubernetes each say in
// their own way: then what is missing has to be given to the container, from outside.
func contained() bool {
	return exists("/.dockerenv") || exists("/run/.containerenv") || os.Getenv("container") != "" ||
		os.Getenv("KUBERNETES_SERVICE_HOST") != ""
}

// What an engine is asked for when it starts a container. TestPodman and the page start.md have the lines.
const (
	startWith = "start the container with "
	asMounter = "--cap-add SYS_ADMIN, in Kubernetes as privileged"
	asRunner  = "--security-opt seccomp=unconfined, or --cap-add SYS_ADMIN, " +
		"and where AppArmor is also --security-opt apparmor=unconfined; in Kubernetes as privileged"
)

// isForbidden reports whether /dev/fuse is there, but this container may not use it: cgroups(7) says so with
// another errno than the mode of the file does.
func isForbidden() bool { return unix.Access("/dev/fuse", unix.R_OK|unix.W_OK) == unix.EPERM }

// openDevice is what can be done where /dev/fuse cannot be opened.
func openDevice() string {
	switch {
	case isForbidden():
		return startWith + "--device /dev/fuse, as a volume of it is not enough; in Kubernetes as privileged"
	case contained():
		return "be root in the container, or let all use it, on the machine: chmod 666 /dev/fuse"
	}
	return "become root, or let all use it, as the package fuse3 does: chmod 666 /dev/fuse"
}

// noDevice is what can be done where there is no /dev/fuse.
func noDevice() string {
	if !contained() {
		return "modprobe fuse"
	}
	return startWith + "--device /dev/fuse --cap-add SYS_ADMIN, in Kubernetes as privileged; " +
		"`ipcfs run -- COMMAND` wants --device /dev/fuse alone, in Docker with --security-opt seccomp=unconfined; " +
		"where the machine has none: modprobe fuse"
}

// raiseSetting is what sets a setting of the kernel's.
func raiseSetting(setting string) string {
	if contained() {
		return startWith + "--sysctl " + setting
	}
	return "sysctl " + setting
}

// toTmpfs is what has a state directory on a tmpfs.
func toTmpfs(dir string) string {
	const elsewhere = "--state-dir on a tmpfs, as below /run"
	if contained() { // or on a machine that looks like one
		return elsewhere + "; or " + startWith + "--tmpfs " + filepath.Dir(dir)
	}
	return elsewhere
}

// hasCapability reports whether this process has a capability in effect.
func hasCapability(number uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	return unix.Capget(&header, &sets[0]) == nil && sets[number/32].Effective&(1<<(number%32)) != 0
}

// whyNoHelper is why a set-user-ID program cannot mount here, and what mends that; "" if it can.
func whyNoHelper() (why, mend string) {
	bound, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, unix.CAP_SYS_ADMIN, 0, 0, 0)
	stuck, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
	switch {
	case err == nil && bound == 0:
		return "no process can have CAP_SYS_ADMIN here", mendMounting()
	case stuck == 1:
		return "no process can gain rights here (no_new_privs)",
			"be root, or start without --security-opt no-new-privileges, NoNewPrivileges= or the like"
	}
	return "", ""
}

// mendMounting is what lets root mount who may not.
func mendMounting() string {
	if contained() {
		return startWith + asMounter
	}
	return "have CAP_SYS_ADMIN (capabilities(7))"
}
