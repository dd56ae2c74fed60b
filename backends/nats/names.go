package nats

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Each queue and each topic is a stream of the server's. In names of streams and in the tokens of subjects a
// letter, a digit, _ and - of ASCII and all other characters of UTF-8 stand for themselves; any other byte is
// =XX, two hexadecimal digits. So a name is the same in every daemon, and another one cannot be taken for it.
const (
	queueStreams = "ipcfs_q_"
	topicStreams = "ipcfs_t_"

	// queueSubjects are where messages for queues are sent: followed by name and priority.
	queueSubjects = "ipcfs.q."
	// onceSubjects are where daemons send: followed by the id of the very queue, and the priority. What comes
	// late, as the queue is gone, does not get into the next one of that name.
	onceSubjects = "ipcfs.w."
	// topicSubjects are where messages for topics are published, and liveSubjects where the server repeats
	// what it has stored: followed by the path with . for its slashes.
	topicSubjects = "ipcfs.t."
	liveSubjects  = "ipcfs.l."
)

// maxStream is the longest name of a stream, in bytes, and of a file.
const maxStream = 255

// escape makes one token of any bytes.
func escape(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); {
		r, size := utf8.DecodeRuneInString(name[i:])
		if c := name[i]; r == utf8.RuneError && size == 1 || size == 1 && !plain(c) {
			fmt.Fprintf(&b, "=%02X", c)
		} else {
			b.WriteString(name[i : i+size])
		}
		i += size
	}
	return b.String()
}

// plain reports whether a byte of ASCII stands for itself.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || c == '-'
}

// unescape undoes escape. false: escape makes no such token.
func unescape(token string) (string, bool) {
	var b []byte
	for i := 0; i < len(token); i++ {
		if token[i] != '=' {
			b = append(b, token[i])
			continue
		}
		if i+3 > len(token) {
			return "", false
		}
		c, err := strconv.ParseUint(token[i+1:i+3], 16, 8)
		if err != nil {
			return "", false
		}
		b = append(b, byte(c))
		i += 2
	}
	name := string(b)
	return name, escape(name) == token
}

// queueStream is the stream of a queue. ENAMETOOLONG: the server takes no name of that length.
func queueStream(name string) (string, error) { return streamOf(queueStreams, name) }

// topicStream is the stream of the topic at a path.
func topicStream(path string) (string, error) { return streamOf(topicStreams, path) }

func streamOf(prefix, name string) (string, error) {
	stream := prefix + escape(name)
	if len(stream) > maxStream {
		return "", unix.ENAMETOOLONG
	}
	return stream, nil
}

// queueOf is the queue whose stream has a name. false: it is none, or one that no daemon makes.
func queueOf(stream string) (string, bool) {
	name, ok := nameIn(stream, queueStreams)
	return name, ok && !strings.Contains(name, "/")
}

// topicOf is the path of the topic whose stream has a name. false: it is none, or one that no daemon makes.
func topicOf(stream string) (string, bool) { return nameIn(stream, topicStreams) }

// nameIn is a name, or a path, that can be one in a tree: the servers may be used by others, too.
func nameIn(stream, prefix string) (string, bool) {
	token, ok := strings.CutPrefix(stream, prefix)
	if !ok {
		return "", false
	}
	name, ok := unescape(token)
	return name, ok && isPath(name)
}

func isPath(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." || len(part) > maxStream || strings.IndexByte(part, 0) >= 0 {
			return false
		}
	}
	return true
}

// queueSubject is what messages of a priority stand under in the stream of a queue, and where others send
// them.
func queueSubject(name string, prio uint32) string {
	return queueSubjects + escape(name) + "." + strconv.FormatUint(uint64(prio), 10)
}

// topicSubject is where messages for the topic at a path are published, or live, with the other prefix.
func topicSubject(prefix, path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		parts[i] = escape(part)
	}
	return prefix + strings.Join(parts, ".")
}

// topicAt is the path of the topic that a subject with this prefix is one of.
func topicAt(prefix, subject string) (string, bool) {
	rest, ok := strings.CutPrefix(subject, prefix)
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, ".")
	for i, token := range parts {
		if parts[i], ok = unescape(token); !ok || strings.Contains(parts[i], "/") {
			return "", false
		}
	}
	path := strings.Join(parts, "/")
	return path, isPath(path)
}
