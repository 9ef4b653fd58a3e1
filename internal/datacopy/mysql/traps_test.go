package mysql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/progress"
)

// sharedTraps are what both products have in the same words.
var sharedTraps = []string{
	"CREATE TABLE parted (id INT NOT NULL, at DATE NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (YEAR(at)) (PARTITION p0 VALUES LESS THAN (2020), PARTITION p1 VALUES LESS THAN MAXVALUE)",
	"INSERT INTO parted SELECT seq, '2018-01-01' + INTERVAL seq DAY FROM " + sequence(2000),
	"CREATE FUNCTION g (x INT) RETURNS INT DETERMINISTIC RETURN x + 1",
	"CREATE PROCEDURE p () BEGIN SELECT 'DEFINER=`x`@`y`'; END",
	"CREATE EVENT tick ON SCHEDULE EVERY 1 DAY STARTS '2026-01-01 00:00:00' DO DELETE FROM log",
}

// traps are what copies by other tools lose or stumble over.
var traps = []string{
	"ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_german1_ci",
	"CREATE TABLE computed (id INT PRIMARY KEY, a INT, twice INT AS (a * 2) STORED, thrice INT AS (a * 3) VIRTUAL, hidden INT INVISIBLE DEFAULT 7, KEY twice (twice))",
	"INSERT INTO computed (id, a, hidden) VALUES (1, 5, 9), (2, NULL, 8)",
	"CREATE TABLE floats (id INT PRIMARY KEY, f FLOAT, d DOUBLE, f72 FLOAT(7,2), n DECIMAL(65,30), t VARCHAR(9) CHARACTER SET utf8mb4 DEFAULT 'é')",
	"INSERT INTO floats (id, f, d, f72, n) VALUES (1, 0.1, 0.1, 1234.57, 1), (2, 16777217, 1e300, 0.01, 12345678901234567890.123456789012345678901234567890), (3, 1.17549e-38, -4.9e-324, -0.5, NULL), (4, 3.40282e38, 1.7976931348623157e308, 99999.99, 0), (5, -0.0, -0.0, 0, 0)",
	"INSERT INTO floats (id, f, d, f72, n) SELECT seq + 10, 1 / seq, 1 / seq, seq / 7, seq / 7 FROM seq_1_to_500",
	"CREATE TABLE dates (id INT AUTO_INCREMENT PRIMARY KEY, d DATE, dt DATETIME(6), ts TIMESTAMP(6) NULL, t TIME(3), y YEAR) AUTO_INCREMENT=77",
	"INSERT INTO dates VALUES (1, '0000-00-00', '0000-00-00 00:00:00', NULL, '-838:59:59.000', 0), (2, '2026-02-00', '2026-10-25 02:30:00.123456', '2026-10-25 00:30:00.654321', '23:59:59.999', 2026), (3, NULL, NULL, '1970-01-01 00:00:01', NULL, NULL)",
	"CREATE TABLE bits (b BIT(64) NOT NULL, one BIT(1), e ENUM('a','b','','ä') CHARACTER SET latin1, s SET('x','y','z'), PRIMARY KEY (b))",
	"INSERT INTO bits VALUES (0, b'1', 'a', 'x,z'), (18446744073709551615, b'0', '', ''), (65, NULL, 'ä', NULL)",
	`CREATE TABLE binaries (id BINARY(4) PRIMARY KEY, v VARBINARY(300), b LONGBLOB, t TINYBLOB)`,
	`INSERT INTO binaries VALUES (0x00000000, '', '', NULL), (0x5C090A00, 0x5C4E, 0x005C0A0D09271A22, 0x5C), (0xFFFFFFFF, REPEAT(0x5C, 300), REPEAT(0xFF00, 3000000), 0x0A)`,
	"CREATE TABLE charsets (id VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci PRIMARY KEY, u8 VARCHAR(50) CHARACTER SET utf8mb4, u3 VARCHAR(50) CHARACTER SET utf8mb3, u16 VARCHAR(50) CHARACTER SET utf16, s TEXT CHARACTER SET sjis, g VARCHAR(20) CHARACTER SET gbk)",
	"INSERT INTO charsets VALUES ('Ärger', '😀 \\\\N \\n', 'é', '😀é', 'ソ表', '中文'), ('b', '', '', '', '', ''), ('Z''`\"', NULL, NULL, NULL, NULL, NULL)",
	"CREATE TABLE nokey (a INT, b VARCHAR(20), KEY a (a))",
	"INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (2, 'y')",
	"CREATE TABLE uniq (a INT NOT NULL, b INT NOT NULL, c INT, UNIQUE KEY ab (a, b), KEY c (c))",
	"INSERT INTO uniq SELECT seq DIV 10, seq MOD 10, seq FROM seq_1_to_3000",
	"CREATE TABLE shapes (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY, SPATIAL KEY p (p))",
	"INSERT INTO shapes VALUES (1, ST_GeomFromText('POINT(1.5 2.5)'), ST_GeomFromText('POLYGON((0 0,1 0,1 1,0 0))', 4326)), (2, POINT(92, 10), NULL)",
	"CREATE TABLE texts (id INT PRIMARY KEY, j JSON, t LONGTEXT, FULLTEXT KEY t (t)) COMMENT 'it''s, (a) `comment`'",
	`INSERT INTO texts VALUES (1, '{"a": [1, 2.50, "é\\n"]}', 'the quick brown fox'), (2, NULL, REPEAT('lorem ipsum ', 400000))`,
	"CREATE TABLE addresses (id UUID PRIMARY KEY, four INET4, six INET6)",
	"INSERT INTO addresses VALUES ('123e4567-e89b-12d3-a456-426614174000', '10.0.0.1', '2001:db8::ff00:42:8329'), ('00000000-0000-0000-0000-000000000001', NULL, '::')",
	"CREATE TABLE zero (id INT AUTO_INCREMENT PRIMARY KEY)",
	"SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
	"INSERT INTO zero VALUES (0), (1)",
	"CREATE TABLE b_child (id INT PRIMARY KEY, parent INT, up INT, CONSTRAINT fk_parent FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE CASCADE, CONSTRAINT fk_up FOREIGN KEY (up) REFERENCES b_child (id))",
	"CREATE TABLE z_parent (id INT PRIMARY KEY, child INT, CONSTRAINT fk_child FOREIGN KEY (child) REFERENCES b_child (id))",
	"INSERT INTO b_child VALUES (1, 10, 2), (2, NULL, 1)",
	"INSERT INTO z_parent VALUES (10, 1)",
	"CREATE TABLE `ho``st\"ile'; DROP TABLE x; -- \\\\ \nx` (`a``b` INT PRIMARY KEY COMMENT 'a,b) KEY `x` (', `select` VARCHAR(20) DEFAULT ',`)(''\\\\', `col,umn(` INT, KEY `in,dex(` (`col,umn(`))",
	"INSERT INTO `ho``st\"ile'; DROP TABLE x; -- \\\\ \nx` VALUES (1, 'x', 2)",
	"CREATE TABLE `имя` (`колонка` INT PRIMARY KEY)",
	"INSERT INTO `имя` VALUES (1)",
	"CREATE TABLE empty (id INT PRIMARY KEY)",
	"CREATE TABLE aria (id INT PRIMARY KEY, t TEXT) ENGINE=Aria",
	"INSERT INTO aria VALUES (1, 'x')",
	"CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50))",
	"CREATE TABLE checked (id INT PRIMARY KEY, n INT, CONSTRAINT positive CHECK (n > 0))",
	"INSERT INTO checked VALUES (1, 1)",
	"CREATE SEQUENCE numbers START WITH 100 INCREMENT BY 5",
	"DO NEXTVAL(numbers)",
	"CREATE DEFINER=`nobody`@`%` FUNCTION f (x INT) RETURNS INT DETERMINISTIC RETURN x + 1",
	"CREATE VIEW z_view AS SELECT g(id) AS id FROM empty",
	"CREATE VIEW a_view AS SELECT v.id FROM z_view v", // sorts before what it needs
	"CREATE TRIGGER audit AFTER INSERT ON checked FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('é', NEW.id))",
}

func fillTraps(t *testing.T, address, sqlMode string, traps []string) {
	conn := open1(t, address)
	run(t, conn, "SET NAMES utf8mb4", "SET SESSION foreign_key_checks = 0", "SET SESSION sql_mode = '"+sqlMode+"'")
	run(t, conn, sharedTraps...)
	run(t, conn, traps...)
}

func TestTraps(t *testing.T) {
	source, target := storetest.MariaDB(t), storetest.MariaDB(t, "--sql-mode=STRICT_ALL_TABLES,NO_ZERO_DATE", "--default-time-zone=+05:00", "--max-allowed-packet=16M")
	from, to := newDatabase(t, source.URL, "traps"), newDatabase(t, target.URL, "into")
	fillTraps(t, from, "", traps)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 16 << 10}
	root := open1(t, target.URL+"/mysql")
	for name, settings := range map[string][]string{
		// The largest value is of 6 MB. Arrays cannot be logged as statements.
		"by arrays":                          {"SET GLOBAL max_allowed_packet = 16 << 20", "SET GLOBAL local_infile = 0", "SET GLOBAL binlog_format = MIXED"},
		"by LOAD DATA":                       {"SET GLOBAL max_allowed_packet = 1 << 20", "SET GLOBAL local_infile = 1", "SET GLOBAL binlog_format = STATEMENT"},
		"by arrays, large rows by LOAD DATA": {"SET GLOBAL max_allowed_packet = 1 << 20", "SET GLOBAL local_infile = 1", "SET GLOBAL binlog_format = MIXED"},
		"by INSERT":                          {"SET GLOBAL max_allowed_packet = 16 << 20", "SET GLOBAL local_infile = 0", "SET GLOBAL binlog_format = STATEMENT"},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, root, settings...)
			before := prepared(t, root)
			req.Replace = true
			copiedEqual(t, req)
			compareServers(t, from, to)
			if arrays := strings.HasPrefix(name, "by arrays"); (prepared(t, root) > before) != arrays {
				t.Errorf("rows went by arrays: %v, want %v", !arrays, arrays)
			}
		})
	}
}

// copiedEqual copies and wants every unit to be equal.
func copiedEqual(t *testing.T, req datacopy.Request) *datacopy.Outcome {
	t.Helper()
	outcome, err := datacopy.Run(t.Context(), New(), req, &datacopy.MemoryJournal{}, progress.Discard)
	if outcome.Report != nil {
		for _, unit := range outcome.Report.Units {
			if unit.Answer != datacopy.Equal {
				t.Errorf("%s is %s: %s %v", unit.Name, unit.Answer, unit.Cause, unit.Differences)
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// compareAnswers asks both servers the same questions.
func compareAnswers(t *testing.T, from, to string, questions []string) {
	t.Helper()
	a, b := open1(t, from), open1(t, to)
	for _, question := range questions {
		want, err := a.All(t.Context(), question)
		if err != nil {
			t.Fatalf("%s: %v", question, err)
		}
		got, err := b.All(t.Context(), question)
		if err != nil {
			t.Fatalf("%s: %v", question, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-source +target)\n%s", question, diff)
		}
	}
}

// prepared counts the statements that a server was asked to prepare; only
// arrays need that.
func prepared(t *testing.T, conn *wire.Conn) int64 {
	t.Helper()
	found, err := conn.All(t.Context(), "SHOW GLOBAL STATUS LIKE 'Com_stmt_prepare'")
	if err != nil {
		t.Fatal(err)
	}
	return number(found[0][1])
}

var mariadbQuestions = []string{
	"SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, COLUMN_COMMENT FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, ORDINAL_POSITION",
	"SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, INDEX_TYPE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2, 3",
	"SELECT CONSTRAINT_NAME, TABLE_NAME, REFERENCED_TABLE_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT AUTO_INCREMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'dates'",
	"SELECT id, HEX(id), f, f + 0.0E0, d, f72, n FROM floats ORDER BY id",
	"SELECT id, d, dt, t, y, UNIX_TIMESTAMP(ts) FROM dates ORDER BY id",
	"SELECT b + 0, one + 0, e + 0, e, s + 0 FROM bits ORDER BY b",
	"SELECT HEX(id), HEX(v), CRC32(b), LENGTH(b), HEX(t) FROM binaries ORDER BY id",
	"SELECT HEX(id), HEX(u8), HEX(u3), HEX(u16), HEX(s), HEX(g) FROM charsets ORDER BY id",
	"SELECT id, a, twice, thrice, hidden FROM computed ORDER BY id",
	"SELECT id, ST_AsText(p), ST_AsText(g), ST_SRID(g) FROM shapes ORDER BY id",
	"SELECT id, j, CRC32(t) FROM texts ORDER BY id",
	"SELECT * FROM addresses ORDER BY id",
	"SELECT * FROM nokey ORDER BY a, b",
	"SELECT COUNT(*), SUM(a * b * c) FROM uniq",
	"SELECT id FROM zero ORDER BY id",
	"SELECT PARTITION_NAME, SUBSTRING_INDEX(PARTITION_DESCRIPTION, ' ', 1) FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'parted' ORDER BY 1",
	"SELECT COUNT(*) FROM log",
	"SELECT TRIGGER_NAME, SQL_MODE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE()",
	"SELECT ROUTINE_NAME, ROUTINE_TYPE, SQL_MODE, ROUTINE_DEFINITION FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT EVENT_NAME, STATUS, STARTS, TIME_ZONE, EVENT_DEFINITION FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE()",
	"SELECT @@character_set_database, @@collation_database",
	"SELECT id FROM a_view",
}

// compareServers asks both servers what they hold, and the target what it
// should hold otherwise.
func compareServers(t *testing.T, from, to string) {
	compareAnswers(t, from, to, mariadbQuestions)
	target := open1(t, to)
	next, err := target.All(t.Context(), "SELECT NEXTVAL(numbers)")
	if err != nil || next[0][0].Value == "100" {
		t.Errorf("the sequence begins anew: %v, %v", next, err)
	}
	definer, err := target.All(t.Context(), "SELECT DEFINER FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() AND ROUTINE_NAME = 'f'")
	if err != nil || definer[0][0].Value != "admin@%" {
		t.Errorf("the definer is %v, %v; want the target's user", definer, err)
	}
}

func parse(t *testing.T, text string) datacopy.Address {
	t.Helper()
	address, err := datacopy.ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return address
}
