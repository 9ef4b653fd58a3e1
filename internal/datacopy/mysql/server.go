package mysql

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
)

// server is one side of a copy: where it is and what it can do.
type server struct {
	address datacopy.Address
	options wire.Options
	side    string

	mariadb     bool
	version     [3]int
	localInfile bool
	// arrays says that rows may come as arrays of parameters.
	arrays    bool
	maxPacket int64
	// collations are those that the server knows.
	collations map[string]bool
	readOnly   bool
	// requiresKey says that the server makes no table without a primary key.
	requiresKey bool
	// binlogFormat is STATEMENT, ROW or MIXED.
	binlogFormat string
	// processors is how many the server found, 0 where it does not tell.
	processors int
}

const dialTimeout = 10 * time.Second

// session is set on every connection: nothing depends on a server's defaults.
// Zero dates pass, zeros in AUTO_INCREMENT columns stay, times are UTC.
const session = "SET SESSION time_zone = '+00:00', sql_mode = 'NO_AUTO_VALUE_ON_ZERO', " +
	"net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 86400"

// open connects once and asks the server what it is.
func open(ctx context.Context, address datacopy.Address, side string) (*server, error) {
	s := &server{address: address, side: side}
	secure, err := tlsConfig(address)
	if err != nil {
		return nil, err
	}
	s.options = wire.Options{
		Addr: address.Host(), User: address.User(), Password: address.Password(), Database: address.Name(),
		TLS: secure, Timeout: dialTimeout,
	}
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return s, s.ask(ctx, conn)
}

// tlsConfig reads the parameter tls as go-sql-driver does: true verifies the
// server, skip-verify does not.
func tlsConfig(address datacopy.Address) (*tls.Config, error) {
	switch address.Param("tls") {
	case "", "false", "preferred":
		return nil, nil
	case "true":
		host, _, _ := net.SplitHostPort(address.Host())
		return &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}, nil
	case "skip-verify":
		return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, nil
	}
	return nil, fault.New(fault.Invalid, "Use true, skip-verify or false.", "reading the address %s: its tls parameter is unknown", address)
}

// connect gives a connection with the session's settings.
func (s *server) connect(ctx context.Context) (*wire.Conn, error) {
	conn, err := wire.Dial(ctx, s.options)
	if err != nil {
		return nil, s.connectError(err)
	}
	if _, err := conn.Exec(ctx, session); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("preparing the session at %s: %w", s.address, err)
	}
	return conn, nil
}

// Error numbers of the servers.
const (
	errAccessDenied   = 1045
	errAccessDatabase = 1044
	errNoDatabase     = 1049
	errNoTable        = 1146
	errTooManyConns   = 1040
	errPacketTooLarge = 1153
	errLockWait       = 1205
	errDeadlock       = 1213
	errKeyExists      = 1061
	errDuplicate      = 1062
	errForeignExists  = 1826
	errShutdown       = 1053
	errTableFull      = 1114
	errDiskFull       = 1021
	errNoSpace        = 28
	errPrivilege      = 1227
	errInterrupted    = 1317
	errWriteFile      = 3
	errRoutineDenied  = 1370
	errTableDenied    = 1142
	errNoColumn       = 1054
	errTableChanged   = 1412
	errReadOnly       = 1290
	errUnsafeRoutine  = 1418
	errUntrusted      = 1419
	errTempFile       = 1878
	errNoText         = 1366
)

func (s *server) connectError(err error) error {
	message := fmt.Errorf("connecting to the %s %s: %w", s.side, s.address, err)
	switch wire.Code(err) {
	case errAccessDenied, errAccessDatabase:
		return fault.Wrap(fault.Invalid, message, "Check user, password and the user's rights on the database.")
	case errNoDatabase:
		return fault.Wrap(fault.NotFound, message, "Create the database, or name another.")
	case 0:
		if errors.Is(err, context.Canceled) {
			return message
		}
		return fault.Wrap(fault.Failed, message, "Check that the server runs and can be reached from here.")
	}
	return fault.Wrap(fault.Failed, message, "")
}

// ask finds out what the server is and can do.
func (s *server) ask(ctx context.Context, conn *wire.Conn) error {
	rows, err := conn.All(ctx, "SELECT VERSION(), @@local_infile, @@max_allowed_packet, @@read_only, @@binlog_format")
	if err != nil {
		return fmt.Errorf("asking the %s %s what it is: %w", s.side, s.address, err)
	}
	row := rows[0]
	s.mariadb, s.version = parseVersion(row[0].Value)
	s.localInfile = row[1].Value == "1"
	s.maxPacket, _ = strconv.ParseInt(row[2].Value, 10, 64)
	s.readOnly = row[3].Value != "0"
	s.binlogFormat = row[4].Value
	if s.addsKeys() {
		rows, err := conn.All(ctx, "SELECT @@sql_require_primary_key")
		if err != nil {
			return fmt.Errorf("asking the %s %s what it is: %w", s.side, s.address, err)
		}
		s.requiresKey = rows[0][0].Value == "1"
	}
	if err := s.countProcessors(ctx, conn); err != nil {
		return fmt.Errorf("asking the %s %s what it is: %w", s.side, s.address, err)
	}
	s.arrays = conn.Arrays() && s.binlogFormat != "STATEMENT" // which arrays cannot be logged as
	if s.mariadb && !s.atLeast(10, 4, 0) || !s.mariadb && !s.atLeast(5, 7, 0) {
		return fault.New(fault.Refused, "", "copying data: the %s %s is too old (%s); MariaDB 10.4, MySQL 5.7 or newer is needed", s.side, s.address, row[0])
	}
	collations, err := conn.All(ctx, collationsQuery(s.mariadb && s.atLeast(10, 10, 0)))
	if err != nil {
		return fmt.Errorf("asking the %s %s for its collations: %w", s.side, s.address, err)
	}
	s.collations = map[string]bool{}
	for _, row := range collations {
		s.collations[strings.ToLower(row[0].Value)] = true
	}
	return nil
}

// countProcessors asks MariaDB for the size of its pool of threads, used or not:
// it is the number of processors unless somebody chose another. Not on Windows.
func (s *server) countProcessors(ctx context.Context, conn *wire.Conn) error {
	if !s.mariadb {
		return nil
	}
	rows, err := conn.All(ctx, "SELECT @@thread_pool_size")
	if err != nil {
		if wire.Code(err) != 0 {
			return nil
		}
		return err
	}
	s.processors, err = strconv.Atoi(rows[0][0].Value)
	return err
}

// addsKeys says that the server may give tables without a primary key one that
// nobody sees.
func (s *server) addsKeys() bool { return !s.mariadb && s.atLeast(8, 0, 30) }

// collationsQuery: since 10.10 MariaDB's collations that fit several character
// sets have a full name for each of them.
func collationsQuery(full bool) string {
	if full {
		return "SELECT FULL_COLLATION_NAME FROM information_schema.COLLATION_CHARACTER_SET_APPLICABILITY"
	}
	return "SELECT COLLATION_NAME FROM information_schema.COLLATIONS"
}

// parseVersion reads "10.11.6-MariaDB-…" and "8.0.36".
func parseVersion(text string) (mariadb bool, version [3]int) {
	mariadb = strings.Contains(strings.ToLower(text), "mariadb")
	text = strings.TrimPrefix(text, "5.5.5-")
	number, _, _ := strings.Cut(text, "-")
	for i, part := range strings.SplitN(number, ".", 3) {
		version[i], _ = strconv.Atoi(part)
	}
	return mariadb, version
}

func (s *server) atLeast(major, minor, patch int) bool {
	want := [3]int{major, minor, patch}
	for i := range want {
		if s.version[i] != want[i] {
			return s.version[i] > want[i]
		}
	}
	return true
}

// passing says whether an error may be gone at another attempt.
func passing(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	switch wire.Code(err) {
	case errTooManyConns, errLockWait, errDeadlock, errShutdown, errInterrupted:
		return true
	case 0:
		return errors.Is(err, wire.ErrBroken)
	}
	return false
}

// explain adds what to do to an error of the server.
func (s *server) explain(err error) error {
	switch wire.Code(err) {
	case errTableFull, errDiskFull, errNoSpace, errWriteFile:
		return fault.Wrap(fault.Failed, err, "Make room on the "+s.side+"'s disk, then resume the copy.")
	case errTempFile:
		return fault.Wrap(fault.Failed, err, "Make room where the "+s.side+"'s server keeps temporary files (tmpdir, innodb_tmpdir), then resume the copy.")
	case errReadOnly:
		return fault.Wrap(fault.Refused, err, "Let the "+s.side+"'s server take writes (read_only), or name a user who may write there all the same.")
	case errLockWait:
		return fault.Wrap(fault.Failed, err, "End what holds locks at the "+s.side+" (SHOW PROCESSLIST tells), then resume the copy.")
	case errUnsafeRoutine, errUntrusted:
		return fault.Wrap(fault.Invalid, err, "Set log_bin_trust_function_creators = 1 at the "+s.side+", then resume the copy.")
	case errPacketTooLarge:
		return fault.Wrap(fault.Failed, err, "Allow LOAD DATA LOCAL at the "+s.side+" (local_infile), or raise max_allowed_packet there.")
	case errPrivilege, errAccessDatabase, errRoutineDenied, errTableDenied:
		return fault.Wrap(fault.Invalid, err, "Give the user of the "+s.side+" the right that is missing, then resume the copy.")
	}
	if errors.Is(err, wire.ErrBroken) {
		return fault.Wrap(fault.Failed, err, "Check the "+s.side+"'s server, its log and its disk, then resume the copy.")
	}
	return err
}
