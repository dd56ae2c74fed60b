package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPackaged holds that what is packaged is what the tables make.
func TestPackaged(t *testing.T) {
	files := map[string]string{
		"man/ipcfs.1": manual1(), "man/ipcfs.5": manual5(), "completions/ipcfs.bash": completions["bash"],
		"completions/_ipcfs": completions["zsh"], "completions/ipcfs.fish": completions["fish"],
	}
	for name, text := range files {
		name = "../../packaging/" + name
		if *update {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if is, err := os.ReadFile(name); err != nil || string(is) != text {
			t.Errorf("%s is not what the tables make (go test ./cmd/ipcfs -update): %v", name, err)
		}
	}
}

func TestCandidates(t *testing.T) {
	for line, want := range map[string]string{
		"st": "status", "mount --ms": "--msgsize", "ls --so": "--sort", "help verb": "verbs",
		"completion z": "zsh", "zz": "", "ls --sort m": "messages", "ls --sort=b": "--sort=bytes",
		"--shm ": "auto page-cache", "run --net a": "any", "mount /x -o ro,kee": "ro,keeper=on ro,keeper=off",
		"mount -o maxm": "maxmsg=", "mount --options=ro,shm=a": "--options=ro,shm=auto",
		"mount -o net=l": "net=loopback", "ls -w ": "",
	} {
		if got := wordsAt(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if all := candidates(nil); !slices.Contains(all, candidate{"umount", "unmount, and end the daemon"}) ||
		slices.ContainsFunc(all, func(c candidate) bool { return c.word == "_look" }) {
		t.Errorf("%q", all)
	}
}

// Verbs, their options and those of new are those of the class.
func TestCandidatesOfVerbs(t *testing.T) {
	for form, want := range map[string]string{
		"topics/a/t": "set clear", "prod/queues/q": "set resize lease eof drain", "shm/m": "set",
	} {
		var got []string
		for _, c := range commandsOf(classAt(form), nil) {
			got = append(got, c.word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("verbs of %s: %q, want %s", form, got, want)
		}
	}
	for want, got := range map[string][]candidate{
		"keep= slow=drop-old":  commandsOf(classAt("topics/t"), []string{"set", "retain=on", "mode=600"}),
		"type=seqpacket mode=": optionsBehind(nil, "mode=MODE "+classAt("sockets/s").New),
		"qbytes=":              optionsBehind([]string{"mode=600"}, "mode=MODE "+classAt("sysv/queues/1").New),
	} {
		for word := range strings.FieldsSeq(want) {
			if !slices.ContainsFunc(got, func(c candidate) bool { return c.word == word }) {
				t.Errorf("%s is not in %q", word, got)
			}
		}
		if slices.ContainsFunc(got, func(c candidate) bool { return strings.HasPrefix(c.word, "retain=") }) {
			t.Errorf("an option that is there: %q", got)
		}
	}
}

func wordsAt(line string) string {
	var list []string
	for _, c := range candidates(strings.Split(line, " ")) {
		list = append(list, c.word)
	}
	return strings.Join(list, " ")
}

func TestAbout(t *testing.T) {
	for word, want := range map[string]string{
		"maxmsg": "--maxmsg N", "verbs": "drain", "lease": "max_tries", "queues": "next@TIME",
		"RLIMIT_MSGQUEUE": "ulimit -q", "rlimit_msgqueue": "ulimit -q",
		"EDQUOT": "cat ctl/limits", "edquot": "cat ctl/limits", "122": "cat ctl/limits",
		"disk quota exceeded": "cat ctl/limits",
	} {
		if text := about(word); !strings.Contains(text, want) {
			t.Errorf("help %s has no %q:\n%s", word, want, text)
		}
	}
	for _, word := range []string{"next@TIME", "next@5s", "prio/7", "since/0"} {
		name, _, _ := strings.Cut(strings.ReplaceAll(word, "/", "@"), "@")
		if text := about(word); text == "" || text != about(name) {
			t.Errorf("help %s: %q", word, text)
		}
	}
	for _, topic := range helpTopics {
		for line := range strings.Lines(about(topic.name)) {
			if n := utf8.RuneCountInString(line) - 1; n > plainWidth && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("help %s has a line of %d columns: %s", topic.name, n, line)
			}
		}
	}
	if text := about("frobnicate"); text != "" {
		t.Errorf("%s", text)
	}
}
