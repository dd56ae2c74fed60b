package nats_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipcfs/ipcfs/backends/nats"
	"github.com/ipcfs/ipcfs/tests/ipctool"
	"github.com/ipcfs/ipcfs/tests/natsd"
	"github.com/nats-io/jwt/v2"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// TestCredentials: a server that wants each kind of credentials gets them, and what it does not let in is
// told why.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	secret := func(name, text string) string {
		file := filepath.Join(dir, name)
		write(t, file, 0600, text)
		return file
	}
	user, password := "alice", secret("password", "s3cret\n")
	wrong := secret("wrong", "other\n")
	key, public := userKey(t)
	otherKey, _ := userKey(t)
	operator, creds := accounts(t)
	ca := authority(t, dir)
	const letIn, otherName = "", "is for another name"
	for _, server := range []struct {
		name, config string
		clients      map[string]string // options of the attachment, and what is said to it
	}{
		{"open", "", map[string]string{
			"":               letIn,
			",ca=" + ca.file: "has no TLS",
		}},
		{"password and nkey", fmt.Sprintf("authorization { users: [ { user: %s, password: s3cret }, { nkey: %s } ] }",
			user, public), map[string]string{
			",user=alice,password=" + password:   letIn,
			",nkey=" + secret("nkey", key):       letIn,
			",user=alice,password=" + wrong:      "refuses what user=alice",
			",nkey=" + secret("nkey2", otherKey): "refuses what nkey=",
			"":                                   "asks who this is",
		}},
		{"token", "authorization { token: s3cret }", map[string]string{
			",token=" + password: letIn,
			",token=" + wrong:    "refuses what token=",
			"":                   "asks who this is",
		}},
		{"creds", operator, map[string]string{
			",creds=" + secret("creds", creds): letIn,
			"":                                 "asks who this is",
			",token=" + password:               "refuses what token=",
		}},
		{"TLS", ca.server(t, "verify: false"), map[string]string{
			",ca=" + ca.file:            letIn,
			"":                          "give ca=/FILE",
			",timeout=5s,ca=" + ca.file: otherName,
		}},
		{"mutual TLS", ca.server(t, "verify: true"), map[string]string{
			",ca=" + ca.file + ca.client(t): letIn,
			",ca=" + ca.file:                "give cert=/FILE,key=/FILE",
		}},
	} {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			c := natsd.For(t, 1, server.config)
			for options, want := range server.clients {
				_, config, err := nats.ParseAttach("prod=" + c.URL() + options)
				check(t, err)
				o, err := config.Options()
				check(t, err)
				o.RetryOnFailedConnect, o.AllowReconnect = false, false
				if want != otherName {
					o.TLSConfig.ServerName = "localhost" // which is not what the server is called here
				}
				nc, err := o.Connect()
				if err == nil {
					nc.Close()
				}
				why := config.Explain(err)
				switch {
				case want == letIn && err != nil:
					t.Errorf("%q is not let in: %v", options, why)
				case want != letIn && (why == nil || !strings.Contains(why.Error(), want)):
					t.Errorf("%q: %v, want a word of %q", options, why, want)
				}
			}
		})
	}
}

// TestLateServer: a connection is there when its server is, which was not when it was asked for; the
// credentials that it shows are those of that moment.
func TestLateServer(t *testing.T) {
	t.Parallel()
	c := natsd.For(t, 1, "authorization { token: new }")
	check(t, c.Kill(1))
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, 0600, "old\n")
	_, config, err := nats.ParseAttach("prod=" + c.URL() + ",token=" + file)
	check(t, err)
	o, err := config.Options()
	check(t, err)
	connected := make(chan struct{})
	o.ConnectedCB = func(*client.Conn) { close(connected) }
	nc, err := o.Connect()
	check(t, err)
	defer nc.Close()
	check(t, c.Restart(1))
	// No callback tells of a refusal before the first connection.
	refused := func() bool { return errors.Is(nc.LastError(), client.ErrAuthorization) }
	if !ipctool.Eventually(ipctool.Patience(), refused) {
		t.Fatalf("it was not refused: %v", nc.LastError())
	}
	write(t, file, 0600, "new\n")
	select {
	case <-connected:
	case <-time.After(ipctool.Patience()):
		t.Fatal("there is no connection")
	}
}

func userKey(t *testing.T) (seed, public string) {
	key, err := nkeys.CreateUser()
	check(t, err)
	s, err := key.Seed()
	check(t, err)
	public, err = key.PublicKey()
	check(t, err)
	return string(s) + "\n", public
}

// accounts are the configuration of a server whose users have JWTs, and the credentials of one.
func accounts(t *testing.T) (config, creds string) {
	pair := func(create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
		key, err := create()
		check(t, err)
		public, err := key.PublicKey()
		check(t, err)
		return key, public
	}
	operator, operatorName := pair(nkeys.CreateOperator)
	account, accountName := pair(nkeys.CreateAccount)
	_, systemName := pair(nkeys.CreateAccount)
	signed := func(claims jwt.Claims, by nkeys.KeyPair) string {
		text, err := claims.Encode(by)
		check(t, err)
		return text
	}
	about := jwt.NewOperatorClaims(operatorName)
	about.SystemAccount = systemName
	config = fmt.Sprintf("operator: %s\nresolver: MEMORY\nresolver_preload: { %s: %s, %s: %s }\n",
		signed(about, operator), accountName, signed(jwt.NewAccountClaims(accountName), operator),
		systemName, signed(jwt.NewAccountClaims(systemName), operator))
	seed, public := userKey(t)
	file, err := jwt.FormatUserConfig(signed(jwt.NewUserClaims(public), account), []byte(strings.TrimSpace(seed)))
	check(t, err)
	return config, string(file)
}

// ca is who signs certificates.
type ca struct {
	dir, file string
	cert      *x509.Certificate
	key       *ecdsa.PrivateKey
}

func authority(t *testing.T, dir string) *ca {
	c := &ca{dir: dir}
	c.file, _ = c.issue(t, "ca", &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return c
}

// issue writes the files of a certificate and its key.
func (c *ca) issue(t *testing.T, name string, cert *x509.Certificate) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	cert.SerialNumber, cert.Subject = big.NewInt(int64(len(name))), pkix.Name{CommonName: name}
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if c.cert == nil {
		c.cert, c.key = cert, key
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, c.cert, key.Public(), c.key)
	check(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	certFile, keyFile = filepath.Join(c.dir, name+".pem"), filepath.Join(c.dir, name+".key")
	write(t, certFile, 0644, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	write(t, keyFile, 0600, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private})))
	return certFile, keyFile
}

// server is the configuration of a server that has a certificate for localhost.
func (c *ca) server(t *testing.T, more string) string {
	cert, key := c.issue(t, "server", &x509.Certificate{DNSNames: []string{"localhost"}})
	return fmt.Sprintf("tls { cert_file: %q, key_file: %q, ca_file: %q, %s }", cert, key, c.file, more)
}

// client is what an attachment says that has a certificate.
func (c *ca) client(t *testing.T) string {
	cert, key := c.issue(t, "client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return ",cert=" + cert + ",key=" + key
}
