package nats

import (
	"bytes"
	"encoding/json"
	"time"

	nats "github.com/nats-io/nats.go"
)

// What is said to JetStream, and what it answers (github.com/nats-io/nats-architecture-and-design, ADR-1 and
// on). The types are the library's, where it has them as the server does.

const api = "$JS.API."

// advisories are the subjects of what JetStream tells all, and is heard of.
var advisories = []string{
	"$JS.EVENT.ADVISORY.STREAM.*.*", "$JS.EVENT.ADVISORY.CONSUMER.CREATED.*.*",
	"$JS.EVENT.ADVISORY.CONSUMER.LEADER_ELECTED.*.*",
}

// streamConfig is a nats.StreamConfig with what the library's old type lacks.
type streamConfig struct {
	nats.StreamConfig
	AllowAtomicPublish bool `json:"allow_atomic,omitempty"`  // nats-server 2.12
	AllowBatchPublish  bool `json:"allow_batched,omitempty"` // nats-server 2.14
}

// MarshalJSON has the fields of both side by side.
func (c streamConfig) MarshalJSON() ([]byte, error) {
	type plain nats.StreamConfig
	return json.Marshal(struct {
		plain
		AllowAtomicPublish bool `json:"allow_atomic,omitempty"`
		AllowBatchPublish  bool `json:"allow_batched,omitempty"`
	}{plain(c.StreamConfig), c.AllowAtomicPublish, c.AllowBatchPublish})
}

// streamInfo is what STREAM.INFO, CREATE and UPDATE answer.
type streamInfo struct {
	Config  streamConfig     `json:"config"`
	Created time.Time        `json:"created"`
	State   nats.StreamState `json:"state"`
}

// apiError is the error in an answer.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

// call asks the API something and reads the answer into out, which may be nil. It waits, and is for workers.
func (l *Link) call(subject string, in, out any) error {
	m, err := l.request(api+subject, encode(in))
	if err != nil {
		return err
	}
	return decode(m.Data, out)
}

func encode(in any) []byte {
	if in == nil {
		return nil
	}
	b, err := json.Marshal(in)
	if err != nil {
		panic(err) // all that is asked are our own types
	}
	return b
}

// decode reads an answer, which may be an error.
func decode(b []byte, out any) error {
	if out == nil || bytes.Contains(b, []byte(`"error"`)) {
		var failed struct {
			Error *apiError `json:"error"`
		}
		if err := json.Unmarshal(b, &failed); err != nil {
			return engineError(err)
		}
		if failed.Error != nil {
			return failed.Error.errno()
		}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return engineError(err)
	}
	return nil
}

// pullRequest is what CONSUMER.MSG.NEXT takes.
type pullRequest struct {
	Batch     int           `json:"batch"`
	NoWait    bool          `json:"no_wait,omitempty"`
	Expires   time.Duration `json:"expires,omitempty"`
	Heartbeat time.Duration `json:"idle_heartbeat,omitempty"`
}

// statusOf is the error that a message says it is, nil if it is none.
func statusOf(m *nats.Msg) error {
	if len(m.Data) > 0 || len(m.Header) == 0 {
		return nil
	}
	switch m.Header.Get("Status") {
	case "":
		return nil
	case "503":
		return errNobody
	}
	return engineError(errorText(m.Header.Get("Status") + " " + m.Header.Get("Description")))
}

type errorText string

func (e errorText) Error() string { return string(e) }
