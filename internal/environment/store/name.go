package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// hashLength is how many characters of a name tell it from all others.
const hashLength = 10

// Name is the name of the database, user or bucket for the request: readable,
// unique to environment and store, made of a-z, 0-9 and the separator, and at
// most max characters long (at least 20). It is the same at every call, and
// another for an environment that was deleted and made again.
func (r Request) Name(separator byte, max int) string {
	sum := sha256.Sum256([]byte(r.Owner() + "/" + r.Store))
	readable := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return rune(separator)
	}, strings.ToLower(r.Environment+string(separator)+r.Store))
	if room := max - hashLength - 1; len(readable) > room {
		readable = readable[:room]
	}
	if readable = strings.Trim(readable, string(separator)); readable == "" {
		readable = "store"
	}
	return readable + string(separator) + hex.EncodeToString(sum[:])[:hashLength]
}

// Password gives the password to use: that of an earlier Ensure, else a new
// one of 130 random bits, in letters and digits.
func (r Request) Password(key string) (string, error) {
	if existing := r.Existing[key]; existing != "" {
		if strings.ContainsFunc(existing, func(c rune) bool { return c <= ' ' || c > '~' }) {
			return "", fault.New(fault.Invalid, "Delete it from the Secret: a new one is made.",
				"store %s: the kept password has characters other than printable ASCII", r.Store)
		}
		return existing, nil
	}
	return strings.ToLower(rand.Text()), nil
}

// ParseServer reads an administrator's address. Errors do not repeat it: it
// holds a password.
func ParseServer(serverURL string) (*url.URL, error) {
	const hint = "Write it as mysql://USER:PASSWORD@HOST:PORT, redis://:PASSWORD@HOST:PORT or s3://KEY:SECRET@HOST:PORT; escape special characters as %XX."
	server, err := url.Parse(strings.TrimSpace(serverURL))
	if err != nil || server.Host == "" {
		return nil, fault.New(fault.Invalid, hint, "reading the store server's address: it is not a URL with a host")
	}
	return server, nil
}

// NotOwned is the refusal of a database, user or bucket that exists and is
// not the environment's own.
func NotOwned(kind, name string) error {
	return fault.New(fault.Refused, "Rename or remove it on the server, or use it as an external store.",
		"%s %q exists on the server and is not this environment's own", kind, name)
}

// Failed wraps an error of a server, naming what was tried.
func Failed(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
