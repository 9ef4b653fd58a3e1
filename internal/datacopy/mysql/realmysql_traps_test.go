package mysql

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// mysqlTraps are what MySQL has and MariaDB has not, or has otherwise.
var mysqlTraps = []string{
	"CREATE TABLE collated (id INT PRIMARY KEY, a VARCHAR(30) COLLATE utf8mb4_0900_ai_ci, s VARCHAR(30) COLLATE utf8mb4_0900_as_cs, b VARCHAR(30) COLLATE utf8mb4_0900_bin, g VARCHAR(30) COLLATE utf8mb4_de_pb_0900_ai_ci, old VARCHAR(30) CHARACTER SET utf8mb3, KEY a (a))",
	"INSERT INTO collated VALUES (1, 'é ', 'É', 'x ', 'ß', 'é'), (2, '😀', NULL, '', 'ss', NULL)",
	"CREATE TABLE named (name VARCHAR(30) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, n INT)",
	"INSERT INTO named VALUES ('a', 1), ('B', 2), ('Ä z', 3), ('ß', 4), ('', 5)",
	"CREATE TABLE computed (id INT PRIMARY KEY, a INT, twice INT AS (a * 2) STORED, thrice INT AS (a * 3) VIRTUAL, hidden INT DEFAULT 7 /*!80023 INVISIBLE */, made VARCHAR(40) DEFAULT (UUID()), KEY twice (twice), CHECK (a < 100))",
	"INSERT INTO computed (id, a, hidden) VALUES (1, 5, 9), (2, NULL, 8)",
	"CREATE TABLE documents (id INT PRIMARY KEY, j JSON, tags JSON DEFAULT (JSON_ARRAY()))",
	`INSERT INTO documents VALUES (1, '{"b": 1, "a": [1, 2.50, "é\\n", null, true], "d": 1e300, "t": "2026-01-02"}', '[]'), (2, NULL, '"x"'), (3, CAST(CAST('2026-01-02 03:04:05.678' AS DATETIME(3)) AS JSON), '{}')`,
	"CREATE TABLE shapes (id INT PRIMARY KEY, p POINT NOT NULL SRID 0, q POINT /*!80003 SRID 4326 */, SPATIAL KEY p (p))",
	"INSERT INTO shapes VALUES (1, ST_GeomFromText('POINT(1.5 2.5)'), NULL), (2, POINT(92, 10), ST_GeomFromText('POINT(10 20)', 4326))",
	"CREATE TABLE floats (id INT PRIMARY KEY, f FLOAT, d DOUBLE, n DECIMAL(65,30), b BIT(13))",
	"INSERT INTO floats VALUES (1, 0.1, 0.1, 1, 5), (2, 16777217, 1e300, NULL, 0), (3, 1.17549e-38, -2.3e-308, 0, NULL), (4, -0.0, -0.0, 12345678901234567890.123456789, 8191)",
	"CREATE TABLE instants (id INT PRIMARY KEY, ts TIMESTAMP(6) NULL, dt DATETIME(6), t TIME(3), y YEAR, d DATE)",
	"INSERT INTO instants VALUES (1, '2026-10-25 00:30:00.654321', '2026-10-25 02:30:00.123456', '-838:59:59', 2026, '0000-00-00'), (2, NULL, NULL, NULL, NULL, '2026-02-00')",
	"CREATE TABLE bytes (id BINARY(4) PRIMARY KEY, v VARBINARY(300), b LONGBLOB)",
	"INSERT INTO bytes VALUES (0x00000000, '', NULL), (0x5C090A00, 0x5C4E, 0x005C0A0D09271A22), (0xFFFFFFFF, REPEAT(0x5C, 300), REPEAT(0xFF00, 1500000))",
	"CREATE TABLE parent (id INT PRIMARY KEY)",
	"CREATE TABLE child (id INT PRIMARY KEY, parent INT, CONSTRAINT of_parent FOREIGN KEY (parent) REFERENCES parent (id) ON DELETE CASCADE)",
	"INSERT INTO parent VALUES (1)",
	"INSERT INTO child VALUES (1, 1), (2, NULL)",
	"CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(50)) AUTO_INCREMENT=77",
	"INSERT INTO log (id, what) VALUES (0, 'zero')",
	"CREATE VIEW seen AS SELECT g(id) AS id FROM parent",
	"CREATE TRIGGER audit AFTER INSERT ON parent FOR EACH ROW INSERT INTO log (what) VALUES (CONCAT('é', NEW.id))",
	// What only MySQL has.
	"CREATE TABLE functional (id INT PRIMARY KEY, name VARCHAR(30), at DATETIME, KEY lower_name ((LOWER(name))), KEY down (at DESC, id), KEY unseen (name) /*!80000 INVISIBLE */)",
	"INSERT INTO functional VALUES (1, 'Ä', '2026-01-01'), (2, NULL, NULL)",
	"CREATE TABLE members (id INT PRIMARY KEY, custinfo JSON, KEY zips ((CAST(custinfo->'$.zip' AS UNSIGNED ARRAY))))",
	`INSERT INTO members VALUES (1, '{"zip": [94582, 94536]}')`,
	"SET SESSION sql_generate_invisible_primary_key = 1",
	"CREATE TABLE keyless (a INT, b VARCHAR(20))",
	"SET SESSION sql_generate_invisible_primary_key = 0",
	"INSERT INTO keyless VALUES (1, 'x'), (1, 'x'), (NULL, NULL)",
	"CREATE TABLE heap (a INT, b VARCHAR(20))",
	"INSERT INTO heap VALUES (1, 'x'), (1, 'x'), (NULL, NULL)",
	"CREATE TABLE soft (id INT PRIMARY KEY, n INT, CONSTRAINT lax CHECK (n > 0) NOT ENFORCED)",
	"INSERT INTO soft VALUES (1, -1)",
	"CREATE TABLE vectors (id INT PRIMARY KEY, v VECTOR(3))",
	"INSERT INTO vectors VALUES (1, TO_VECTOR('[1.5,2,-3]')), (2, NULL)",
}

func TestMySQLRequiresKeys(t *testing.T) {
	source, target := anyMySQL(t), storetest.MySQL(t, "--sql-require-primary-key=1")
	from, to := newDatabase(t, source.URL, "keys"), newDatabase(t, target.URL, "into")
	run(t, open1(t, from), "CREATE TABLE heap (a INT)", "CREATE TABLE good (a INT PRIMARY KEY)")
	plan, err := New().Plan(t.Context(), datacopy.Request{From: parse(t, from), To: parse(t, to)})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"table heap has no primary key, which the target requires (sql_require_primary_key)"}
	if diff := cmp.Diff(want, plan.Blockers); diff != "" {
		t.Errorf("blockers (-want +got)\n%s", diff)
	}
}

func TestMySQLTraps(t *testing.T) {
	source, target := anyMySQL(t), storetest.MySQL(t, "--sql-mode=STRICT_ALL_TABLES,NO_ZERO_DATE", "--default-time-zone=+05:00", "--sql-generate-invisible-primary-key=1")
	from, to := newDatabase(t, source.URL, "traps"), newDatabase(t, target.URL, "into")
	fillTraps(t, from, "NO_AUTO_VALUE_ON_ZERO", mysqlTraps)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 16 << 10, Replace: true}
	for name, localInfile := range map[string]string{"by INSERT": "0", "by LOAD DATA": "1"} {
		t.Run(name, func(t *testing.T) {
			run(t, open1(t, target.URL+"/mysql"), "SET GLOBAL local_infile = "+localInfile)
			copiedEqual(t, req)
			compareAnswers(t, from, to, mysqlQuestions)
		})
	}
}

var mysqlQuestions = []string{
	"SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, COLLATION_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, ORDINAL_POSITION",
	"SELECT TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX, COLUMN_NAME, NON_UNIQUE, INDEX_TYPE, COLLATION, EXPRESSION, IS_VISIBLE FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1, 2, 3",
	"SELECT CONSTRAINT_NAME, TABLE_NAME, REFERENCED_TABLE_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = DATABASE() ORDER BY 1",
	"SELECT id, a, twice, thrice, hidden, made FROM computed ORDER BY id",
	"SELECT id, j, tags FROM documents ORDER BY id",
	"SELECT id, ST_AsText(p), ST_AsText(q), ST_SRID(q) FROM shapes ORDER BY id",
	"SELECT id, f + 0.0E0, d, n, HEX(b) FROM floats ORDER BY id",
	"SELECT id, UNIX_TIMESTAMP(ts), dt, t, y, d FROM instants ORDER BY id",
	"SELECT id, what FROM log ORDER BY id",
	"SELECT *, my_row_id FROM keyless ORDER BY my_row_id",
	"SELECT id, VECTOR_TO_STRING(v) FROM vectors ORDER BY id",
	"SELECT * FROM seen",
}

// TestMySQLTrapsToMariaDB: what MariaDB has no word for is in the plan, refused
// or named as not kept; all else arrives.
func TestMySQLTrapsToMariaDB(t *testing.T) {
	source, target := anyMySQL(t), anyMariaDB(t)
	from, to := newDatabase(t, source.URL, "traps"), newDatabase(t, target.URL, "into")
	fillTraps(t, from, "NO_AUTO_VALUE_ON_ZERO", mysqlTraps)
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 16 << 10}
	plan, err := New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	blockers := []string{"column v of table vectors is of type vector(3), which the target does not know: exclude the table, or change the column at the source"}
	if diff := cmp.Diff(blockers, plan.Blockers); diff != "" {
		t.Errorf("blockers (-want +got)\n%s", diff)
	}
	notKept := []string{
		"check lax of table soft: the target knows no checks that are not enforced",
		"collation utf8mb4_0900_ai_ci: the target does not know it, utf8mb4_uca1400_nopad_ai_ci stands in",
		"collation utf8mb4_0900_as_cs: the target does not know it, utf8mb4_uca1400_nopad_as_cs stands in",
		"collation utf8mb4_0900_bin: the target does not know it, utf8mb4_nopad_bin stands in",
		"collation utf8mb4_de_pb_0900_ai_ci: the target does not know it, utf8mb4_uca1400_german2_nopad_ai_ci stands in",
		"key lower_name of table functional: the target knows no indexes over expressions",
		"key zips of table members: the target knows no indexes over expressions",
		"that column p takes only values of its reference system (SRID)",
		"that column q takes only values of its reference system (SRID)",
	}
	if diff := cmp.Diff(notKept, plan.NotKept); diff != "" {
		t.Errorf("not kept (-want +got)\n%s", diff)
	}
	run(t, open1(t, from), "DROP TABLE vectors")
	copiedEqual(t, req)
	compareAnswers(t, from, to, []string{
		"SELECT TABLE_NAME, COLUMN_NAME, IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY HEX(TABLE_NAME), ORDINAL_POSITION",
		"SELECT TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND EXTRA LIKE '%INVISIBLE%' ORDER BY HEX(TABLE_NAME), COLUMN_NAME",
		"SELECT id, a, twice, thrice, hidden, made FROM computed ORDER BY id",
		"SELECT id, HEX(a), HEX(s), HEX(b), HEX(g), HEX(old) FROM collated ORDER BY id",
		"SELECT id, CAST(j AS CHAR), CAST(tags AS CHAR) FROM documents ORDER BY id",
		"SELECT id, ST_AsText(p), ST_SRID(q) FROM shapes ORDER BY id",
		"SELECT id, f + 0.0E0, d, n, HEX(b) FROM floats ORDER BY id",
		"SELECT id, UNIX_TIMESTAMP(ts), dt, t, y, d FROM instants ORDER BY id",
		"SELECT id, what FROM log ORDER BY id",
		"SELECT a, b, my_row_id FROM keyless ORDER BY my_row_id",
		"SELECT name, n FROM named ORDER BY n",
		"SELECT * FROM seen",
	})
}

// TestMariaDBTrapsToMySQL likewise the other way.
func TestMariaDBTrapsToMySQL(t *testing.T) {
	source, target := anyMariaDB(t), anyMySQL(t)
	from, to := newDatabase(t, source.URL, "traps"), newDatabase(t, target.URL, "into")
	conn := open1(t, from)
	fillTraps(t, from, "", traps)
	run(t, conn, "CREATE TABLE defaults (id INT PRIMARY KEY, u VARCHAR(36) DEFAULT UUID(), c VARCHAR(90) DEFAULT CONCAT('a)', UPPER('b')), t TIMESTAMP DEFAULT CURRENT_TIMESTAMP(), KEY c (c) IGNORED)",
		"INSERT INTO defaults (id) VALUES (1)",
		"CREATE TABLE kept (id INT PRIMARY KEY, a INT) WITH SYSTEM VERSIONING", "INSERT INTO kept VALUES (1, 2)",
		"CREATE TABLE accents (name VARCHAR(30) COLLATE utf8mb4_uca1400_ai_ci PRIMARY KEY, n INT)", "INSERT INTO accents VALUES ('é', 1), ('Z', 2), ('a', 3)")
	req := datacopy.Request{From: parse(t, from), To: parse(t, to), ChunkBytes: 16 << 10}
	plan, err := New().Plan(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var blockers []string
	for _, column := range []string{"id of table addresses is of type uuid", "four of table addresses is of type inet4", "six of table addresses is of type inet6"} {
		blockers = append(blockers, "column "+column+", which the target does not know: exclude the table, or change the column at the source")
	}
	if diff := cmp.Diff(blockers, plan.Blockers); diff != "" {
		t.Errorf("blockers (-want +got)\n%s", diff)
	}
	notKept := []string{
		"1 sequences: MySQL has none", "collation utf8mb4_uca1400_ai_ci: the target does not know it, utf8mb4_0900_ai_ci stands in",
		"table option PAGE_CHECKSUM", "the history of the rows of kept",
	}
	if diff := cmp.Diff(notKept, plan.NotKept); diff != "" {
		t.Errorf("not kept (-want +got)\n%s", diff)
	}
	run(t, conn, "DROP TABLE addresses")
	copiedEqual(t, req)
	compareAnswers(t, from, to, []string{
		"SELECT TABLE_NAME, COLUMN_NAME, IS_NULLABLE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME <> 'numbers' ORDER BY HEX(TABLE_NAME), ORDINAL_POSITION",
		"SELECT id, f + 0.0E0, d, f72, n FROM floats ORDER BY id",
		"SELECT id, d, dt, t, y, UNIX_TIMESTAMP(ts) FROM dates ORDER BY id",
		"SELECT b + 0, one + 0, e + 0, e, s + 0 FROM bits ORDER BY b",
		"SELECT HEX(id), HEX(v), CRC32(b), LENGTH(b), HEX(t) FROM binaries ORDER BY id",
		"SELECT HEX(id), HEX(u8), HEX(u3), HEX(u16), HEX(s), HEX(g) FROM charsets ORDER BY id",
		"SELECT id, a, twice, thrice, hidden FROM computed ORDER BY id",
		"SELECT id, j, CRC32(t) FROM texts ORDER BY id",
		"SELECT * FROM nokey ORDER BY a, b",
		"SELECT id, c, t FROM defaults",
		"SELECT name, n FROM accents ORDER BY n",
		"SELECT id, a FROM kept",
		"SELECT id FROM a_view",
	})
}
