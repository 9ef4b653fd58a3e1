package storetest

import (
	"testing"

	servers "github.com/landfall-dev/landfall/internal/environment/store/storetest"
)

// Server is a real server that a test may stop and start again.
type Server = servers.Server

// Secret is the password of every server, as it stands in addresses.
const Secret = servers.PasswordInURL

// MariaDB starts a real MariaDB with further options of mariadbd.
func MariaDB(t *testing.T, options ...string) *Server { return servers.StartMariaDB(t, options...) }

// Redis starts a real Redis and gives its address.
func Redis(t *testing.T) string { return servers.Redis(t) }

// VersityGW starts a real S3 server over a folder and gives its address.
func VersityGW(t *testing.T) string { return servers.VersityGW(t) }
