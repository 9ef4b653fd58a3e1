package storetest

import (
	"testing"

	servers "github.com/landfall-dev/landfall/internal/environment/store/storetest"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// Server is a real server that a test may stop and start again.
type Server = servers.Server

// Secret is the password of every server, as it stands in addresses.
const Secret = servers.PasswordInURL

// MariaDB starts a real MariaDB with further options of mariadbd.
func MariaDB(t *testing.T, options ...string) *Server { return servers.StartMariaDB(t, options...) }

// MySQL starts a real MySQL with further options of mysqld, where tests may.
func MySQL(t *testing.T, options ...string) *Server { return servers.StartMySQL(t, options...) }

// Redis starts a real Redis with further options of redis-server.
func Redis(t *testing.T, options ...string) *Server { return servers.StartRedis(t, options...) }

// Valkey starts a real Valkey with further options of valkey-server, where tests
// may.
func Valkey(t *testing.T, options ...string) *Server { return servers.StartValkey(t, options...) }

// Redis8 starts a Redis of version 8, where tests may.
func Redis8(t *testing.T, options ...string) *Server { return servers.StartRedis8(t, options...) }

// VersityGW starts a real S3 server over a folder.
func VersityGW(t *testing.T) *Server { return servers.StartVersityGW(t) }

// FreePort gives a port of 127.0.0.1 that nothing listened on just now.
func FreePort(t *testing.T) string { return servertest.FreePort(t) }
