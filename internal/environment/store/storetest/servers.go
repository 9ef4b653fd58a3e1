package storetest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/landfall-dev/landfall/internal/image/debian"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// password is the administrator's on every server that a test starts; its
// characters need escaping in URLs.
const password = "s3cr3t-/:@%"

// PasswordInURL is password as it stands in a URL.
const PasswordInURL = "s3cr3t-%2F%3A%40%25"

// MariaDB starts a real MariaDB for the test and gives the administrator's
// address. It skips the test where Debian's packages cannot be had.
func MariaDB(t *testing.T) string { return StartMariaDB(t).URL }

// StartMariaDB is MariaDB with further options of mariadbd, for tests that
// stop the server.
func StartMariaDB(t *testing.T, options ...string) *Server {
	root := servertest.Debian(t, "", "mariadb-server-core", "busybox-static")
	dir, port := t.TempDir(), servertest.FreePort(t)
	common := []string{
		"--no-defaults", "--user=root", "--datadir=" + dir, "--lc-messages-dir=" + filepath.Join(root, "usr/share/mysql"),
		"--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M",
		"--tmpdir=" + t.TempDir(), // a server that starts removes others' temporary tables
	}
	bootstrap := debian.Command(root, "usr/sbin/mariadbd", append(common, "--bootstrap")...)
	bootstrap.Stdin = strings.NewReader(systemTables(t, root) + fmt.Sprintf(
		"FLUSH PRIVILEGES;\nCREATE USER admin@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO admin@'%%' WITH GRANT OPTION;\n", password))
	if out, err := bootstrap.CombinedOutput(); err != nil {
		t.Fatalf("preparing MariaDB: %v\n%s", err, out)
	}
	common = append(append(common, "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "p")), options...)
	return started(t, "mysql://admin:"+PasswordInURL+"@127.0.0.1:"+port, dir, func() *exec.Cmd { return debian.Command(root, "usr/sbin/mariadbd", common...) })
}

// EnvMySQL allows tests to use MySQL, which only Debian's unstable release has.
const EnvMySQL = "LANDFALL_TEST_MYSQL"

// StartMySQL starts a real MySQL for the test, with further options of mysqld,
// as StartMariaDB does. It skips the test unless $LANDFALL_TEST_MYSQL is set.
func StartMySQL(t *testing.T, options ...string) *Server {
	t.Helper()
	if os.Getenv(EnvMySQL) == "" {
		t.Skipf("needs MySQL of Debian's unstable release: run make test-mysql, which sets $%s", EnvMySQL)
	}
	root := servertest.Debian(t, "sid", "mysql-server-core")
	dir, port := t.TempDir(), servertest.FreePort(t)
	account, data := filepath.Join(dir, "account.sql"), filepath.Join(dir, "data")
	script := fmt.Sprintf("CREATE USER admin@'%%' IDENTIFIED BY '%s';\nGRANT ALL ON *.* TO admin@'%%' WITH GRANT OPTION;\n", password)
	if err := os.WriteFile(account, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	common := []string{
		"--no-defaults", "--user=root", "--datadir=" + data, "--lc-messages-dir=" + filepath.Join(root, "usr/share/mysql"),
		"--character-sets-dir=" + filepath.Join(root, "usr/share/mysql/charsets"), "--innodb-buffer-pool-size=32M", "--secure-file-priv=NULL", "--tmpdir=" + t.TempDir(),
		"--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0", // a test need not survive the machine
	}
	initialize := debian.Command(root, "usr/sbin/mysqld", append(common, "--initialize-insecure", "--init-file="+account)...)
	if out, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("preparing MySQL: %v\n%s", err, out)
	}
	common = append(append(common, "--bind-address=127.0.0.1", "--port="+port, "--mysqlx=0", "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "p")), options...)
	return started(t, "mysql://admin:"+PasswordInURL+"@127.0.0.1:"+port, data, func() *exec.Cmd { return debian.Command(root, "usr/sbin/mysqld", common...) })
}

// Server is a real server that a test may stop and start again.
type Server struct {
	// URL is the administrator's address, Dir the folder of its data.
	URL, Dir string

	t       *testing.T
	command func() *exec.Cmd
	program *servertest.Server
}

// started runs a server, whose address has its port, until the test ends.
func started(t *testing.T, address, dir string, command func() *exec.Cmd) *Server {
	t.Helper()
	s := &Server{URL: address, Dir: dir, t: t, command: command}
	s.Restart()
	return s
}

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.program.Kill() }

// Signal sends it a signal, to stop and continue it for example.
func (s *Server) Signal(signal os.Signal) { s.program.Signal(signal) }

// Restart starts it again over the same data.
func (s *Server) Restart() {
	s.t.Helper()
	address, err := url.Parse(s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	s.program = servertest.Run(s.t, s.command(), servertest.Listens(address.Host))
}

func systemTables(t *testing.T, root string) string {
	var script strings.Builder
	script.WriteString("CREATE DATABASE mysql;\nUSE mysql;\n")
	for _, name := range []string{"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"} {
		text, err := os.ReadFile(filepath.Join(root, "usr/share/mysql", name))
		if err != nil {
			t.Fatal(err)
		}
		script.Write(text)
	}
	return script.String()
}

// Redis starts a real Redis for the test, as MariaDB does.
func Redis(t *testing.T) string { return StartRedis(t).URL }

// StartRedis is Redis with further options of redis-server.
func StartRedis(t *testing.T, options ...string) *Server {
	return startRedis(t, servertest.Debian(t, "", "redis-server", "busybox-static"), "redis-server", options)
}

// EnvValkey allows tests to use Valkey and newer versions of Redis, which only
// later releases of Debian have.
const EnvValkey = "LANDFALL_TEST_VALKEY"

// StartValkey starts the Valkey of Debian's unstable release, as StartRedis
// does. It skips the test unless $LANDFALL_TEST_VALKEY is set.
func StartValkey(t *testing.T, options ...string) *Server {
	t.Helper()
	return startRedis(t, laterPackages(t, "sid", "valkey-server"), "valkey-server", options)
}

// StartRedis8 starts the Redis of Debian 13, as StartValkey does.
func StartRedis8(t *testing.T, options ...string) *Server {
	t.Helper()
	return startRedis(t, laterPackages(t, "trixie", "redis-server"), "redis-server", options)
}

func laterPackages(t *testing.T, suite, name string) string {
	t.Helper()
	if os.Getenv(EnvValkey) == "" {
		t.Skipf("needs %s of Debian's release %s: run make test-valkey, which sets $%s", name, suite, EnvValkey)
	}
	return servertest.Debian(t, suite, name)
}

func startRedis(t *testing.T, root, program string, options []string) *Server {
	t.Helper()
	dir, port := t.TempDir(), servertest.FreePort(t)
	acl := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(acl, []byte("user default on >"+password+" ~* &* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--aclfile", acl}, options...)
	return started(t, "redis://:"+PasswordInURL+"@127.0.0.1:"+port, dir, func() *exec.Cmd { return debian.Command(root, filepath.Join("usr/bin", program), args...) })
}

// VersityGW starts a real versitygw over a folder, as MariaDB does. The
// program is the one that $LANDFALL_VERSITYGW names, or the one on PATH.
func VersityGW(t *testing.T) string { return StartVersityGW(t).URL + "&users=versitygw" }

// StartVersityGW is VersityGW for tests that stop the server.
func StartVersityGW(t *testing.T) *Server {
	program := os.Getenv("LANDFALL_VERSITYGW")
	if program == "" {
		found, err := exec.LookPath("versitygw")
		if err != nil {
			t.Skip("needs versitygw: set LANDFALL_VERSITYGW to the program, as `make test` does")
		}
		program = found
	}
	data, versions, iam, port := t.TempDir(), t.TempDir(), t.TempDir(), servertest.FreePort(t)
	return started(t, "s3://root:"+PasswordInURL+"@127.0.0.1:"+port+"?tls=false", data, func() *exec.Cmd {
		cmd := exec.Command(program, "--port", "127.0.0.1:"+port, "--iam-dir", iam, "--quiet", "posix", "--versioning-dir", versions, data)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=root", "ROOT_SECRET_KEY="+password)
		return cmd
	})
}
