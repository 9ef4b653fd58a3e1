package storetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/image/debian"
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
	root := packages(t, "mariadb-server-core", "busybox-static")
	dir, port := t.TempDir(), FreePort(t)
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
	server := &Server{URL: "mysql://admin:" + PasswordInURL + "@127.0.0.1:" + port, Dir: dir}
	server.run = func() { server.kill = start(t, port, debian.Command(root, "usr/sbin/mariadbd", common...)) }
	server.run()
	return server
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
	root := packagesOf(t, "sid", "mysql-server-core")
	dir, port := t.TempDir(), FreePort(t)
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
	server := &Server{URL: "mysql://admin:" + PasswordInURL + "@127.0.0.1:" + port, Dir: data}
	server.run = func() { server.kill = start(t, port, debian.Command(root, "usr/sbin/mysqld", common...)) }
	server.run()
	return server
}

// Server is a real server that a test may stop and start again.
type Server struct {
	// URL is the administrator's address, Dir the folder of its data.
	URL, Dir string
	run      func()
	kill     func()
}

// Kill ends the server as a crash would.
func (s *Server) Kill() { s.kill() }

// Restart starts it again over the same data.
func (s *Server) Restart() { s.run() }

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
	root := packages(t, "redis-server", "busybox-static")
	dir, port := t.TempDir(), FreePort(t)
	acl := filepath.Join(dir, "users.acl")
	if err := os.WriteFile(acl, []byte("user default on >"+password+" ~* &* +@all\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--aclfile", acl}, options...)
	server := &Server{URL: "redis://:" + PasswordInURL + "@127.0.0.1:" + port, Dir: dir}
	server.run = func() { server.kill = start(t, port, debian.Command(root, "usr/bin/redis-server", args...)) }
	server.run()
	return server
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
	data, versions, iam, port := t.TempDir(), t.TempDir(), t.TempDir(), FreePort(t)
	server := &Server{URL: "s3://root:" + PasswordInURL + "@127.0.0.1:" + port + "?tls=false", Dir: data}
	server.run = func() {
		cmd := exec.Command(program, "--port", "127.0.0.1:"+port, "--iam-dir", iam, "--quiet", "posix", "--versioning-dir", versions, data)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY=root", "ROOT_SECRET_KEY="+password)
		server.kill = start(t, port, cmd)
	}
	server.run()
	return server
}

func packages(t *testing.T, names ...string) string {
	t.Helper()
	return packagesOf(t, "", names...)
}

// packagesOf another release of Debian than this machine's.
func packagesOf(t *testing.T, suite string, names ...string) string {
	t.Helper()
	fetcher, err := debian.DefaultFetcher()
	if err != nil {
		t.Fatal(err)
	}
	fetcher.Suite = suite
	root, err := fetcher.Root(context.Background(), names...)
	if err != nil {
		t.Skipf("needs Debian packages: %v", err)
	}
	return root
}

// start runs a server until the test ends and waits until it listens. The
// result ends it earlier.
func start(t *testing.T, port string, cmd *exec.Cmd) (kill func()) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	kill = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	t.Cleanup(kill)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
			conn.Close()
			return kill
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("%s ended: %v\n%s", filepath.Base(cmd.Path), err, output.String())
		default:
		}
	}
	t.Fatalf("nothing listens on port %s", port)
	return nil
}

// FreePort gives a port of 127.0.0.1 that nothing listened on just now.
func FreePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
