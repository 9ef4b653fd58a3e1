package pki

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestServerAndClientCertificates(t *testing.T) {
	dir := t.TempDir()
	ca, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	server, err := ca.Ensure("server", Identity{CommonName: "api", Hosts: []string{"kubernetes", "10.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Ensure("client", Identity{CommonName: "admin", Organizations: []string{"system:masters"}})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.PEM)
	for _, host := range []string{"kubernetes", "10.0.0.1"} {
		if _, err := decode(t, server).Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("server as %s: %v", host, err)
		}
	}
	if _, err := decode(t, server).Verify(x509.VerifyOptions{Roots: roots, DNSName: "other"}); err == nil {
		t.Error("the server passes for another")
	}
	asClient := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	if _, err := decode(t, client).Verify(asClient); err != nil {
		t.Errorf("client: %v", err)
	}
	if _, err := decode(t, server).Verify(asClient); err == nil {
		t.Error("the server passes for a client")
	}
	if got := decode(t, client).Subject; got.CommonName != "admin" || got.Organization[0] != "system:masters" {
		t.Errorf("the client is %v", got)
	}
	if left := time.Until(decode(t, client).NotAfter); left < 9*365*24*time.Hour {
		t.Errorf("the client's certificate lasts %s", left)
	}
}

func TestWhatExistsIsKept(t *testing.T) {
	dir := t.TempDir()
	first, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := first.Ensure("a", Identity{CommonName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	second, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	again, err := second.Ensure("a", Identity{CommonName: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.PEM, second.PEM) || !bytes.Equal(pair.Cert, again.Cert) || !bytes.Equal(pair.Key, again.Key) {
		t.Error("keys were made anew")
	}
	if err := EnsureSigningKey(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, "sa.pub"))
	if err := EnsureSigningKey(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.ReadFile(filepath.Join(dir, "sa.pub")); !bytes.Equal(before, after) {
		t.Error("the signing key was made anew")
	}
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	ca, err := EnsureAuthority(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Ensure("a", Identity{CommonName: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := EnsureSigningKey(dir, "sa"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 6 {
		t.Fatalf("%v, %v", entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", e.Name(), info.Mode(), err)
		}
	}
}

func TestBrokenAuthorityIsAnError(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ca.crt", "ca.key"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("not PEM"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := EnsureAuthority(dir, "ca"); err == nil {
		t.Error("no error")
	}
}

func decode(t *testing.T, pair KeyPair) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(pair.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
