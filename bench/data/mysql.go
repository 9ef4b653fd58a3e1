package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
	"time"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/datacopy"

	"github.com/landfall-dev/landfall/bench/harness"
)

// Goals for MySQL and MariaDB.
const (
	mysqlOverDump     = 3.0
	mysqlOverMydumper = 2.3
	mysqlToFloor      = 1.15
	mysqlMasking      = 1.15
	mysqlMemory       = 256 // MiB
	mysqlThreads      = "4"
)

// mysqlData makes four unlike tables on the server itself, of about 900 MB and
// 400 MB of indexes at scale 1.
//
//go:embed mysql.sql
var mysqlData string

// mysqlMask has rules for the personal columns of mysqlData.
const mysqlMask = `version: landfall.dev/mask/v1
rules:
  - table: customers
    columns: {email: email, name: name, phone: phone, address: empty, born: {date: {days: 30, person: id}}}
`

// mysqlServer is a MariaDB of the benchmark's own, with the settings it comes
// with but for memory.
type mysqlServer struct {
	dir, port string
	cmd       *exec.Cmd
}

// measureMySQL copies a database, verified, with Landfall; with mysqldump into
// mysql; with mydumper and myloader; and loads ready files, which no copy can
// be faster than. One after the other, in turns.
func measureMySQL(ctx context.Context, dir string, turns int, scale float64) error {
	b, err := setUpMySQL(ctx, dir, scale)
	if b != nil {
		defer b.stop()
	}
	if err != nil {
		return err
	}
	sides := []struct {
		name      string
		run       func(context.Context) (usage, error)
		took, cpu []float64
	}{
		{name: "floor", run: b.floor}, {name: "landfall", run: b.landfall("")}, {name: "landfall-masked", run: b.landfall(mysqlMask)},
		{name: "mydumper", run: b.mydumper}, {name: "mysqldump", run: b.dump},
	}
	const floor, plain, masked, mydumper, dump = 0, 1, 2, 3, 4
	var client, memory []float64
	for turn := range turns {
		for n := range sides {
			// Nobody is always the first.
			s := &sides[(turn+n)%len(sides)]
			if err := b.target.empty(ctx); err != nil {
				return err
			}
			took, err := s.run(ctx)
			if err != nil {
				return fmt.Errorf("running %s: %w", s.name, err)
			}
			s.took, s.cpu = append(s.took, took.wall.Seconds()), append(s.cpu, (took.cpu+took.servers).Seconds())
			log.Printf("mysql: %s %.1f s, CPU %.1f s of its own, %.1f s of the source and %.1f s of the target",
				s.name, took.wall.Seconds(), took.cpu.Seconds(), took.each[0].Seconds(), took.each[1].Seconds())
			if s == &sides[plain] {
				client, memory = append(client, took.cpu.Seconds()), append(memory, float64(took.memory)/(1<<20))
			}
		}
	}
	for _, s := range sides {
		bar.Figure("mysql-"+s.name, bar.Median(s.took), "s")
		bar.Figure("mysql-"+s.name+"-cpu-with-servers", bar.Median(s.cpu), "s")
	}
	ratio := func(a, b int) float64 { return bar.Ratio(sides[a].took, sides[b].took) }
	bar.Figure("mysql-client-cpu", bar.Median(client), "s")
	bar.AtMost("mysql-client-memory", bar.Median(memory), "MiB", mysqlMemory)
	bar.AtMost("mysql-masked-to-plain", ratio(masked, plain), "x", mysqlMasking)
	bar.AtLeast("mysql-over-mysqldump", ratio(dump, plain), "x", mysqlOverDump)
	bar.AtLeast("mysql-over-mydumper", ratio(mydumper, plain), "x", mysqlOverMydumper)
	bar.AtMost("mysql-to-floor", ratio(plain, floor), "x", mysqlToFloor)
	return nil
}

// empty makes the database anew, and waits until the server has nothing left to
// write of the copy before: the next one would pay for it.
func (s *mysqlServer) empty(ctx context.Context) error {
	return s.sql(ctx, "", "DROP DATABASE IF EXISTS shop; CREATE DATABASE shop CHARACTER SET utf8mb4;\n"+mysqlSettle)
}

type mysqlBench struct {
	dir            string
	source, target *mysqlServer
}

// setUpMySQL starts both servers, fills the source, and writes the files that
// the floor is loaded from.
func setUpMySQL(ctx context.Context, dir string, scale float64) (*mysqlBench, error) {
	b := &mysqlBench{dir: filepath.Join(dir, "mysql-files")}
	if err := os.MkdirAll(b.dir, 0o777); err != nil {
		return nil, err
	}
	var err error
	if b.source, err = startMySQL(ctx, filepath.Join(dir, "mysql-source")); err != nil {
		return nil, err
	}
	if b.target, err = startMySQL(ctx, filepath.Join(dir, "mysql-target")); err != nil {
		return b, err
	}
	log.Print("mysql: filling the source")
	var script strings.Builder
	counts := map[string]int{"Customers": int(1e6 * scale), "Orders": int(3.8e6 * scale), "Events": int(3.5e6 * scale), "Files": int(15e3 * scale)}
	if err := template.Must(template.New("").Parse(mysqlData)).Execute(&script, counts); err != nil {
		return b, err
	}
	if err := b.source.sql(ctx, "", script.String()); err != nil {
		return b, err
	}
	for _, table := range mysqlTables {
		file := filepath.Join(b.dir, table.name)
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return b, err
		}
		if err := b.source.sql(ctx, "shop", "SELECT * INTO OUTFILE '"+file+"' FROM "+table.name); err != nil {
			return b, err
		}
	}
	log.Print("mysql: waiting until the source has written what it was filled with")
	return b, b.source.sql(ctx, "", mysqlSettle)
}

// mysqlSettle ends when a server has no changed pages left: it would write them
// during the first copy, at its cost.
const mysqlSettle = `DELIMITER //
SET GLOBAL innodb_io_capacity_max = 40000, innodb_io_capacity = 20000, innodb_max_dirty_pages_pct = 0 //
BEGIN NOT ATOMIC
  WHILE (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Innodb_buffer_pool_pages_dirty') > 0 DO
    DO SLEEP(0.1);
  END WHILE;
END //
SET GLOBAL innodb_max_dirty_pages_pct = DEFAULT, innodb_io_capacity = DEFAULT, innodb_io_capacity_max = DEFAULT //
`

// mysqlTables and the indexes that are built after loading, as in mysql.sql.
var mysqlTables = []struct{ name, drop, add string }{
	{"orders", "DROP KEY customer, DROP KEY created, DROP KEY status_created", "ADD KEY customer (customer), ADD KEY created (created), ADD KEY status_created (status, created)"},
	{"customers", "DROP KEY email, DROP KEY name", "ADD UNIQUE KEY email (email), ADD KEY name (name)"},
	{"events", "DROP KEY kind", "ADD KEY kind (kind)"},
	{"files", "", ""},
}

func startMySQL(ctx context.Context, dir string) (*mysqlServer, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	install := exec.CommandContext(ctx, "mariadb-install-db", "--no-defaults", "--user=root", "--datadir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db")
	if out, err := install.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("preparing MariaDB: %w: %s", err, out)
	}
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	s := &mysqlServer{dir: dir, port: port}
	s.cmd = exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+dir, "--port="+port, "--bind-address=127.0.0.1", //nolint:noctx // it ends with the bench
		"--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "p"), "--innodb-buffer-pool-size=1G", "--local-infile=1")
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 600 {
		if err = s.sql(ctx, "", "GRANT ALL ON *.* TO bench@'127.0.0.1' IDENTIFIED BY 'bench'; GRANT ALL ON *.* TO bench@localhost IDENTIFIED BY 'bench'"); err == nil {
			return s, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("waiting for MariaDB: %w", err)
}

func (s *mysqlServer) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (b *mysqlBench) stop() {
	b.source.stop()
	if b.target != nil {
		b.target.stop()
	}
}

func (s *mysqlServer) url() string { return "mysql://bench:bench@127.0.0.1:" + s.port + "/shop" }

// flags are what every client of MariaDB takes.
func (s *mysqlServer) flags() string {
	return "--no-defaults --default-character-set=utf8mb4 -uroot -S " + filepath.Join(s.dir, "s")
}

func (s *mysqlServer) sql(ctx context.Context, database, script string) error {
	cmd := exec.CommandContext(ctx, "mariadb", append(strings.Fields(s.flags()), "--database="+database)...)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running SQL: %w: %s", err, out)
	}
	return nil
}

// landfall copies and verifies, with or without a mask.
func (b *mysqlBench) landfall(rules string) func(context.Context) (usage, error) {
	return func(ctx context.Context) (usage, error) {
		if err := os.Setenv(childMask, rules); err != nil {
			return usage{}, err
		}
		return landfallCopy(ctx, b.source.url(), b.target.url(), datacopy.Full, b.servers()...)
	}
}

// servers are the processes whose CPU time is part of a copy's.
func (b *mysqlBench) servers() []*os.Process {
	return []*os.Process{b.source.cmd.Process, b.target.cmd.Process}
}

func (b *mysqlBench) shell(ctx context.Context, command string) (usage, error) {
	return measured(exec.CommandContext(ctx, "bash", "-o", "pipefail", "-c", command), b.servers()...)
}

func (b *mysqlBench) dump(ctx context.Context) (usage, error) {
	return b.shell(ctx, "mariadb-dump "+b.source.flags()+" --single-transaction --quick --routines --triggers --events shop | mariadb "+b.target.flags()+" shop")
}

func (b *mysqlBench) mydumper(ctx context.Context) (usage, error) {
	dumped := filepath.Join(b.dir, "mydumper")
	if err := os.RemoveAll(dumped); err != nil {
		return usage{}, err
	}
	login := func(s *mysqlServer) string {
		return " -h 127.0.0.1 -P " + s.port + " -u bench -p bench -t " + mysqlThreads
	}
	return b.shell(ctx, "mydumper"+login(b.source)+" -B shop -o "+dumped+" --rows=500000 && myloader"+login(b.target)+" -B shop -o -d "+dumped)
}

// floor loads ready files in two streams, and builds indexes afterwards.
func (b *mysqlBench) floor(ctx context.Context) (usage, error) {
	schema := fmt.Sprintf("mariadb-dump %s --no-data shop | mariadb %s shop\n", b.source.flags(), b.target.flags())
	load := func(position int) string {
		table := mysqlTables[position]
		statement := fmt.Sprintf("LOAD DATA INFILE '%s' INTO TABLE %s;", filepath.Join(b.dir, table.name), table.name)
		if table.drop != "" {
			statement = fmt.Sprintf("ALTER TABLE %s %s; %s ALTER TABLE %s %s;", table.name, table.drop, statement, table.name, table.add)
		}
		return fmt.Sprintf("mariadb %s shop -e \"SET foreign_key_checks = 0; %s\"", b.target.flags(), statement)
	}
	return b.shell(ctx, schema+fmt.Sprintf("( %s && %s ) & one=$!; ( %s && %s ) & wait $! && wait $one", load(0), load(3), load(1), load(2)))
}
