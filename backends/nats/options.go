package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"golang.org/x/sys/unix"
)

// A connection is found dead when two pings of this interval had no answer: the client's own are two minutes
// apart.
const (
	pingInterval = 2 * time.Second
	dialTimeout  = 2 * time.Second
	dialPause    = 500 * time.Millisecond
)

// maxFile is the most that a file of an attachment may hold, in bytes.
const maxFile = 64 << 10

// Options are those of a connection that is tried for ever and keeps nothing back: a call fails while there
// is no server. The files are read now, to say what is wrong with them, and again for each connection: what
// is in them may be renewed. It reads files, and waits for nothing else.
func (c Config) Options() (nats.Options, error) {
	o := nats.GetDefaultOptions()
	o.Servers = c.Servers
	o.Name = "ipcfs"
	o.Timeout, o.PingInterval, o.MaxPingsOut = dialTimeout, pingInterval, 2
	o.MaxReconnect, o.ReconnectWait, o.RetryOnFailedConnect = -1, dialPause, true
	o.IgnoreAuthErrorAbort = true // a daemon that is refused now may be let in later
	o.ReconnectBufSize = -1
	return o, errors.Join(c.credentials(&o), c.secure(&o))
}

// credentials has the connection show who it is.
func (c Config) credentials(o *nats.Options) error {
	var err error
	switch {
	case c.Creds != "":
		o.UserJWT = func() (string, error) {
			body, err := readFile(c.Creds, true)
			if err != nil {
				return "", err
			}
			jwt, err := nkeys.ParseDecoratedJWT(body)
			return jwt, in(c.Creds, err)
		}
		o.SignatureCB = func(nonce []byte) ([]byte, error) { return sign(c.Creds, nonce) }
		if _, err = o.UserJWT(); err == nil {
			_, err = o.SignatureCB(nil)
		}
	case c.NKey != "":
		o.SignatureCB = func(nonce []byte) ([]byte, error) { return sign(c.NKey, nonce) }
		err = withKey(c.NKey, func(key nkeys.KeyPair) (err error) {
			o.Nkey, err = key.PublicKey()
			return err
		})
	case c.User != "":
		o.UserInfo = func() (string, string) {
			password, _ := readLine(c.Password) // without it the server refuses, which is told
			return c.User, password
		}
		_, err = readLine(c.Password)
	case c.Token != "":
		o.TokenHandler = func() string {
			token, _ := readLine(c.Token)
			return token
		}
		_, err = readLine(c.Token)
	}
	return err
}

// sign signs what a server sent with the key in a file.
func sign(path string, nonce []byte) (sig []byte, err error) {
	err = withKey(path, func(key nkeys.KeyPair) (err error) {
		sig, err = key.Sign(nonce)
		return err
	})
	return sig, err
}

// withKey calls f with the key in a file, which is not kept.
func withKey(path string, f func(nkeys.KeyPair) error) error {
	body, err := readFile(path, true)
	if err != nil {
		return err
	}
	key, err := nkeys.ParseDecoratedUserNKey(body)
	if err != nil {
		return in(path, err)
	}
	defer key.Wipe()
	return in(path, f(key))
}

// secure has the connection use TLS, if it is asked for: then it takes no other. Without that, a server that
// wants TLS gets it.
func (c Config) secure(o *nats.Options) error {
	for _, s := range c.Servers {
		o.Secure = o.Secure || strings.HasPrefix(s, "tls://")
	}
	o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	var errs []error
	if c.CA != "" {
		o.Secure = true
		o.RootCAsCB = func() (*x509.CertPool, error) {
			body, err := readFile(c.CA, false)
			if err != nil {
				return nil, err
			}
			pool := x509.NewCertPool()
			if !pool.AppendCertsFromPEM(body) {
				return nil, in(c.CA, errors.New("there is no certificate in it"))
			}
			return pool, nil
		}
		_, err := o.RootCAsCB()
		errs = append(errs, err)
	}
	if c.Cert != "" {
		o.Secure = true
		o.TLSCertCB = func() (tls.Certificate, error) {
			cert, err := readFile(c.Cert, false)
			if err != nil {
				return tls.Certificate{}, err
			}
			key, err := readFile(c.Key, true)
			if err != nil {
				return tls.Certificate{}, err
			}
			pair, err := tls.X509KeyPair(cert, key)
			return pair, in(c.Cert+" and "+c.Key, err)
		}
		_, err := o.TLSCertCB()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// in says in which file something is wrong.
func in(path string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// readLine is the first line of a file that holds a secret.
func readLine(path string) (string, error) {
	body, err := readFile(path, true)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(body), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", in(path, errors.New("its first line is empty"))
	}
	return line, nil
}

// readFile reads a file of an attachment. One that holds a secret must be its owner's alone, who is the
// daemon's user or root.
func readFile(path string, secret bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner := st.Sys().(*syscall.Stat_t).Uid
	switch mode := st.Mode().Perm(); {
	case !st.Mode().IsRegular() || st.Size() > maxFile:
		return nil, in(path, fmt.Errorf("it is no file of at most %d bytes", maxFile))
	case secret && mode&0077 != 0:
		return nil, in(path, fmt.Errorf("its mode is %#o, and others may use it: chmod 600 %s", mode, path))
	case secret && owner != 0 && int(owner) != os.Geteuid():
		return nil, in(path, fmt.Errorf("it belongs to user %d, not to root or user %d", owner, os.Geteuid()))
	case mode&0002 != 0:
		return nil, in(path, fmt.Errorf("its mode is %#o, and everybody may change it: chmod o-w %s", mode, path))
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// Explain says in words why there is no connection, and what mends it.
func (c Config) Explain(err error) error {
	var unknown x509.UnknownAuthorityError
	var otherName x509.HostnameError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired),
		errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		if shown := c.shows(); shown != "" {
			return fmt.Errorf("the server refuses what %s has: %w", shown, err)
		}
		return fmt.Errorf("the server asks who this is: give creds=, nkey=, token=, or user= and password= (%w)", err)
	case errors.Is(err, nats.ErrNkeysNotSupported), errors.Is(err, nats.ErrUserButNoSigCB):
		return fmt.Errorf("the server knows no such credentials as %s: %w", c.shows(), err)
	case errors.Is(err, nats.ErrSecureConnWanted):
		return fmt.Errorf("the server has no TLS, which tls://, ca= and cert= ask for: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("nobody that is trusted here has signed the server's certificate: give ca=/FILE (%w)", err)
	case errors.As(err, &otherName):
		return fmt.Errorf("the server's certificate is for another name: %w", err)
	case strings.Contains(err.Error(), "certificate required"),
		c.Cert == "" && strings.Contains(err.Error(), "closed by remote after TLS handshake"),
		strings.Contains(err.Error(), "bad certificate"):
		return fmt.Errorf("the server wants a certificate that it trusts: give cert=/FILE,key=/FILE (%w)", err)
	}
	return err
}

// shows are the credentials that it was given, without what is in them; "": none.
func (c Config) shows() string {
	switch {
	case c.Creds != "":
		return "creds=" + c.Creds
	case c.NKey != "":
		return "nkey=" + c.NKey
	case c.User != "":
		return "user=" + c.User + ",password=" + c.Password
	case c.Token != "":
		return "token=" + c.Token
	}
	return ""
}

// Dial makes a connection of its own, and waits for it.
func (c Config) Dial() (*nats.Conn, error) {
	o, err := c.Options()
	if err != nil {
		return nil, err
	}
	o.RetryOnFailedConnect = false
	conn, err := o.Connect()
	return conn, c.Explain(err)
}
