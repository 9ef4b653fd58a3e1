package mask

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"

	"github.com/landfall-dev/landfall/internal/fault"
)

// minKey is how many bytes a secret must have: with fewer, somebody who holds
// masked data could try them all.
const minKey = 16

// Key is the secret that pseudonyms come from: the same key gives the same
// person the same pseudonym in every table, store and run, and without it
// nobody can tell who is who. It never shows itself.
type Key struct {
	text, numbers []byte
}

// NewKey makes a key of a secret of at least 16 bytes; white space around it,
// as files have it, does not count. Errors do not repeat the secret.
func NewKey(secret []byte) (Key, error) {
	secret = bytes.TrimSpace(secret)
	if len(secret) < minKey {
		return Key{}, fault.New(fault.Invalid, "Make one with `openssl rand -hex 32`, keep it, and use it for every copy.",
			"reading the mask key: it has %d bytes, %d are needed", len(secret), minKey)
	}
	derive := func(purpose string, size int) ([]byte, error) {
		return hkdf.Key(sha256.New, secret, nil, Version+" "+purpose, size)
	}
	text, err := derive("text", sha256.Size)
	if err != nil {
		return Key{}, fmt.Errorf("deriving the mask key: %w", err)
	}
	numbers, err := derive("numbers", 32)
	if err != nil {
		return Key{}, fmt.Errorf("deriving the mask key: %w", err)
	}
	return Key{text: text, numbers: numbers}, nil
}

// IsZero tells a key that was never made.
func (k Key) IsZero() bool { return k.text == nil }

// Fingerprint tells keys apart without giving them away: the same for all runs
// with this key.
func (k Key) Fingerprint() string {
	if k.IsZero() {
		return ""
	}
	sum := sha256.Sum256(k.text)
	return fmt.Sprintf("%x", sum[:6])
}

// String hides the key.
func (k Key) String() string { return "[mask key]" }

// GoString hides the key from %#v too.
func (k Key) GoString() string { return k.String() }
