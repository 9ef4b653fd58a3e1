// Package pki makes the keys and certificates of a cluster: one authority for
// servers and clients, one for the aggregation layer, and a key pair for
// service account tokens. What exists is kept, so that making them again is
// harmless. It must not know which component uses what. Start reading at Authority.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/landfall-dev/landfall/localkube/internal/state"
)

const (
	// validity is how long certificates last; a local cluster has no renewal.
	validity = 10 * 365 * 24 * time.Hour
	// backdate forgives a clock that is set back.
	backdate = time.Hour
)

// Authority signs certificates and keeps them in a folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
	// PEM is the authority's certificate.
	PEM []byte
}

// Identity is what a certificate says of its holder.
type Identity struct {
	CommonName    string
	Organizations []string
	// Hosts are the DNS names and IP addresses of a server; a certificate
	// with none is a client's.
	Hosts []string
}

// KeyPair is a certificate and its key in PEM.
type KeyPair struct{ Cert, Key []byte }

// EnsureAuthority loads NAME.crt and NAME.key from dir, or makes them.
func EnsureAuthority(dir, name string) (*Authority, error) {
	pair, err := ensure(dir, name, func(key crypto.Signer) ([]byte, error) {
		template := newTemplate(Identity{CommonName: "localkube " + name})
		template.IsCA = true
		template.BasicConstraintsValid = true
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageDigitalSignature, nil
		return x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	})
	if err != nil {
		return nil, err
	}
	cert, key, err := parse(pair)
	if err != nil {
		return nil, fmt.Errorf("reading authority %s: %w", name, err)
	}
	return &Authority{dir: dir, cert: cert, key: key, PEM: pair.Cert}, nil
}

// Ensure loads NAME.crt and NAME.key, or makes and signs them.
func (a *Authority) Ensure(name string, id Identity) (KeyPair, error) {
	return ensure(a.dir, name, func(key crypto.Signer) ([]byte, error) {
		template := newTemplate(id)
		return x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	})
}

// EnsureSigningKey loads or makes NAME.key and its public half NAME.pub.
func EnsureSigningKey(dir, name string) error {
	public := filepath.Join(dir, name+".pub")
	if exists(public) {
		return nil
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("writing key %s: %w", name, err)
	}
	if err := state.WriteFile(filepath.Join(dir, name+".key"), keyPEM, 0o600); err != nil {
		return fmt.Errorf("writing key %s: %w", name, err)
	}
	// The public half is written last: its presence means that both are there.
	if err := state.WriteFile(public, encode("PUBLIC KEY", der), 0o600); err != nil {
		return fmt.Errorf("writing key %s: %w", name, err)
	}
	return nil
}

// ensure returns the pair NAME.crt, NAME.key of dir, made with sign if absent.
func ensure(dir, name string, sign func(crypto.Signer) ([]byte, error)) (KeyPair, error) {
	certFile, keyFile := filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	if exists(certFile) {
		cert, err := os.ReadFile(certFile)
		if err != nil {
			return KeyPair{}, fmt.Errorf("reading certificate %s: %w", name, err)
		}
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return KeyPair{}, fmt.Errorf("reading key %s: %w", name, err)
		}
		return KeyPair{Cert: cert, Key: key}, nil
	}
	key, keyPEM, err := newKey()
	if err != nil {
		return KeyPair{}, err
	}
	der, err := sign(key)
	if err != nil {
		return KeyPair{}, fmt.Errorf("signing certificate %s: %w", name, err)
	}
	pair := KeyPair{Cert: encode("CERTIFICATE", der), Key: keyPEM}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return KeyPair{}, fmt.Errorf("writing certificate %s: %w", name, err)
	}
	if err := state.WriteFile(keyFile, pair.Key, 0o600); err != nil {
		return KeyPair{}, fmt.Errorf("writing key %s: %w", name, err)
	}
	if err := state.WriteFile(certFile, pair.Cert, 0o600); err != nil {
		return KeyPair{}, fmt.Errorf("writing certificate %s: %w", name, err)
	}
	return pair, nil
}

func newTemplate(id Identity) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic(err) // crypto/rand never fails on Linux
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: id.CommonName, Organization: id.Organizations},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range id.Hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(id.Hosts) > 0 {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	return template
}

func newKey() (crypto.Signer, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding key: %w", err)
	}
	return key, encode("EC PRIVATE KEY", der), nil
}

func parse(pair KeyPair) (*x509.Certificate, crypto.Signer, error) {
	certBlock, _ := pem.Decode(pair.Cert)
	keyBlock, _ := pem.Decode(pair.Key)
	if certBlock == nil || keyBlock == nil {
		return nil, nil, errors.New("not in PEM")
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(keyBlock.Bytes)
	return cert, key, err
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}
