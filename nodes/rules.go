package nodes

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/ipcfs/ipcfs/backends/topic"
)

// optionsOf shows rules as rulesFrom reads them.
func optionsOf(r topic.Rules) []Option {
	return []Option{
		{"retain", word(r.Retain, "on", "off")},
		{"keep", strconv.Itoa(r.Keep)},
		{"slow", string(r.Slow)},
		{"depth", strconv.Itoa(r.Depth)},
		{"bytes", strconv.Itoa(r.Bytes)},
		{"noreader", word(r.NeedReader, "error", "accept")},
	}
}

func word(b bool, yes, no string) string {
	if b {
		return yes
	}
	return no
}

// topicRules are the options as people write them.
const topicRules = "retain=on|off keep=N slow=drop-old|drop-new|block|cut depth=N bytes=N noreader=error|accept"

// rulesFrom changes rules by options. Others may be there too.
func rulesFrom(r topic.Rules, c Command) (_ topic.Rules, err error) {
	for _, n := range []struct {
		key string
		to  *int
	}{{"keep", &r.Keep}, {"depth", &r.Depth}, {"bytes", &r.Bytes}} {
		v, e := c.Int(n.key, *n.to, 0)
		*n.to, err = v, errors.Join(err, e)
	}
	for _, b := range []struct {
		key     string
		to      *bool
		yes, no string
	}{{"retain", &r.Retain, "on", "off"}, {"noreader", &r.NeedReader, "error", "accept"}} {
		switch v, ok := c.Get(b.key); {
		case !ok:
		case v == b.yes || v == b.no:
			*b.to = v == b.yes
		default:
			err = errors.Join(err, fmt.Errorf("%s=%s is neither %s nor %s", b.key, v, b.no, b.yes))
		}
	}
	if v, ok := c.Get("slow"); ok {
		r.Slow = topic.Slow(v)
	}
	if err == nil {
		err = r.Check()
	}
	return r, err
}
