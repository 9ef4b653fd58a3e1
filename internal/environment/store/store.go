// Package store gives each environment its own database, key space or bucket
// on a shared server, and takes it away again. The adapters mysql, redis and
// s3 do the work; server.Open picks one by the server's address. The package
// must not know Kubernetes: the caller reads and writes the Secrets. Start at
// Provisioner.
package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// Request says whose store is meant.
type Request struct {
	// Project, Environment and UID identify the environment. The UID is what
	// marks a database, user or bucket as this environment's own.
	Project, Environment, UID string
	// Store is its name in the blueprint.
	Store string
	// Existing are the settings of an earlier Ensure, empty at first. The
	// password in it is kept; without one a new password is made and set.
	Existing Settings
}

// Check says whether the request identifies a store.
func (r Request) Check() error {
	for _, f := range []struct{ name, value string }{
		{"project", r.Project}, {"environment", r.Environment}, {"uid", r.UID}, {"store", r.Store},
	} {
		if f.value == "" {
			return fmt.Errorf("store request: %s is empty", f.name)
		}
	}
	return nil
}

// Owner is the mark of the environment: "PROJECT/NAME/UID", or a hash of it
// where a server's tags and keys could not hold it.
func (r Request) Owner() string {
	owner := r.Project + "/" + r.Environment + "/" + r.UID
	if plainOwner.MatchString(owner) {
		return owner
	}
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(owner)))
}

// plainOwner is what a tag of S3 may hold.
var plainOwner = regexp.MustCompile(`^[A-Za-z0-9._/-]{1,256}$`)

// Settings are the connection settings of a store, keyed as docs/stores.md
// lists them: url, host, port, username, password, database, prefix, bucket,
// endpoint, region, access-key-id, secret-access-key. They hold a secret:
// String hides it.
type Settings map[string]string

// Keys of Settings.
const (
	KeyURL             = "url"
	KeyHost            = "host"
	KeyPort            = "port"
	KeyUsername        = "username"
	KeyPassword        = "password"
	KeyDatabase        = "database"
	KeyPrefix          = "prefix"
	KeyBucket          = "bucket"
	KeyEndpoint        = "endpoint"
	KeyRegion          = "region"
	KeyAccessKeyID     = "access-key-id"
	KeySecretAccessKey = "secret-access-key"
)

// String names the keys only.
func (s Settings) String() string {
	return fmt.Sprintf("settings%v", slices.Sorted(maps.Keys(s)))
}

// GoString is String, so that %#v hides values too.
func (s Settings) GoString() string { return s.String() }

// Provisioner makes and removes stores on one server. Implementations are
// safe for concurrent use, retry nothing (the caller does), never log, and put
// no secret into errors.
type Provisioner interface {
	// Ensure makes what is missing, sets the password that Existing holds (a
	// fresh random one without it) and gives the settings to connect with.
	// Calling it again with its own result changes nothing. What exists under
	// the wanted name and is not this environment's own is refused
	// (fault.Refused), and left as it is.
	Ensure(ctx context.Context, req Request) (Settings, error)

	// Remove takes away what Ensure made, data included. What is absent is a
	// success; what is there but not this environment's own is left alone and
	// is a success too, since it was never ours.
	Remove(ctx context.Context, req Request) error

	// Close ends the connections to the server.
	Close() error
}
