package mysql

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
)

// marker is the table that says, in a target, which copy is under way there.
const marker = "landfall_copy"

// readSchema reads the whole definition of the connection's database.
func (s *server) readSchema(ctx context.Context, conn *wire.Conn) (*schema, error) {
	if _, err := conn.Exec(ctx, "SET NAMES utf8mb4"); err != nil {
		return nil, err
	}
	defer func() { _, _ = conn.Exec(ctx, "SET NAMES binary") }()
	r := &schemaReader{server: s, conn: conn, ctx: ctx, schema: &schema{}, tables: map[string]*table{}}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"the database", r.database}, {"tables", r.readTables}, {"columns", r.columns}, {"keys", r.keys}, {"foreign keys", r.foreign},
		{"definitions of tables", r.definitions}, {"views", r.views}, {"routines", r.routines},
		{"triggers", r.triggers}, {"events", r.events}, {"the mark of a copy", r.mark},
	} {
		if err := step.do(); err != nil {
			return nil, s.explain(fmt.Errorf("reading %s of the %s %s: %w", step.what, s.side, s.address, err))
		}
	}
	return r.schema, nil
}

type schemaReader struct {
	server *server
	conn   *wire.Conn
	ctx    context.Context
	schema *schema
	tables map[string]*table
}

func (r *schemaReader) all(query string, args ...any) ([][]wire.Text, error) {
	return r.conn.All(r.ctx, fmt.Sprintf(query, args...))
}

func (r *schemaReader) database() error {
	rows, err := r.all("SELECT @@character_set_database, @@collation_database")
	if err != nil {
		return err
	}
	r.schema.Charset, r.schema.Collation = rows[0][0].Value, rows[0][1].Value
	return nil
}

func (r *schemaReader) readTables() error {
	rows, err := r.all("SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_ROWS, DATA_LENGTH, INDEX_LENGTH, AUTO_INCREMENT " +
		"FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME")
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := &table{
			Name: row[0].Value, Engine: row[2].Value, Rows: number(row[3]), DataBytes: number(row[4]), IndexBytes: number(row[5]),
			Increment: uint64(number(row[6])),
		}
		switch {
		case row[1].Value == "SEQUENCE":
			r.schema.Sequences = append(r.schema.Sequences, object{Kind: "SEQUENCE", Name: t.Name})
		case row[1].Value == "VIEW":
			r.schema.Views = append(r.schema.Views, object{Kind: "VIEW", Name: t.Name})
		case t.Name == marker:
			r.schema.Copy = "?"
		default:
			r.schema.Tables = append(r.schema.Tables, t)
			r.tables[t.Name] = t
		}
	}
	return nil
}

func number(value wire.Text) int64 {
	n, _ := strconv.ParseInt(value.Value, 10, 64)
	return n
}

func (r *schemaReader) columns() error {
	rows, err := r.all("SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, CHARACTER_SET_NAME, COLLATION_NAME, GENERATION_EXPRESSION " +
		"FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	for _, row := range rows {
		t := r.tables[row[0].Value]
		if t == nil {
			continue
		}
		c := &column{
			Name: row[1].Value, Type: strings.ToLower(row[2].Value), Data: strings.ToLower(row[3].Value), Nullable: row[4].Value == "YES",
			Charset: row[5].Value, Collation: row[6].Value, Generated: row[7].Value != "",
		}
		c.travel(r.server.mariadb)
		t.Columns = append(t.Columns, c)
	}
	return nil
}

// keys finds the columns that order a table's chunks: the primary key, else
// the shortest unique one without NULLs.
func (r *schemaReader) keys() error {
	rows, err := r.all("SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART, NULLABLE FROM information_schema.STATISTICS " +
		"WHERE TABLE_SCHEMA = DATABASE() AND NON_UNIQUE = 0 AND INDEX_TYPE = 'BTREE' ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX")
	if err != nil {
		return err
	}
	type index struct {
		table, name string
		columns     []string
		unfit       bool
	}
	var indexes []*index
	for _, row := range rows {
		if len(indexes) == 0 || indexes[len(indexes)-1].table != row[0].Value || indexes[len(indexes)-1].name != row[1].Value {
			indexes = append(indexes, &index{table: row[0].Value, name: row[1].Value})
		}
		last := indexes[len(indexes)-1]
		last.columns = append(last.columns, row[2].Value)
		last.unfit = last.unfit || row[3].Valid || row[4].Value == "YES" || !row[2].Valid
	}
	primary := map[string]bool{}
	for _, i := range indexes {
		t := r.tables[i.table]
		if t == nil {
			continue
		}
		if len(i.columns) == 1 {
			t.column(i.columns[0]).Unique = true
		}
		if i.unfit || primary[i.table] || (t.Key != nil && i.name != "PRIMARY" && len(t.Key) <= len(i.columns)) {
			continue
		}
		if key, unique := orderable(t, i.columns); len(key) > 0 {
			t.Key, t.Unique, t.Index = key, unique, i.name
			primary[i.table] = i.name == "PRIMARY"
		}
	}
	return nil
}

// orderable gives the first columns of a key whose values can stand in a
// comparison that means what the index's order does.
func orderable(t *table, columns []string) (key []string, unique bool) {
	for i, name := range columns {
		c := t.column(name)
		if c == nil || c.Generated || !c.comparable() {
			return columns[:i:i], false
		}
	}
	return columns, true
}

func (r *schemaReader) foreign() error {
	rows, err := r.all("SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE " +
		"WHERE TABLE_SCHEMA = DATABASE() AND REFERENCED_TABLE_NAME IS NOT NULL AND REFERENCED_TABLE_SCHEMA = DATABASE() ORDER BY TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION")
	if err != nil {
		return err
	}
	last := ""
	for _, row := range rows {
		t := r.tables[row[0].Value]
		if t == nil {
			continue
		}
		if id := row[0].Value + "\x00" + row[1].Value; id != last {
			t.Foreign, last = append(t.Foreign, parent{Table: row[3].Value}), id
		}
		key := &t.Foreign[len(t.Foreign)-1]
		key.Columns = append(key.Columns, row[2].Value)
		key.Referenced = append(key.Referenced, row[4].Value)
	}
	return nil
}

func (r *schemaReader) definitions() error {
	for _, t := range r.schema.Tables {
		rows, err := r.all("SHOW CREATE TABLE %s", name(t.Name))
		if err != nil {
			return err
		}
		t.Create = rows[0][1].Value
	}
	for i := range r.schema.Sequences {
		if err := r.sequence(&r.schema.Sequences[i]); err != nil {
			return err
		}
	}
	return nil
}

// sequence continues where the source's is.
func (r *schemaReader) sequence(s *object) error {
	rows, err := r.all("SHOW CREATE SEQUENCE %s", name(s.Name))
	if err != nil {
		return err
	}
	state, err := r.all("SELECT next_not_cached_value FROM %s", name(s.Name))
	if err != nil {
		return err
	}
	s.Create = sequenceStart.ReplaceAllString(rows[0][1].Value, "${1}start with "+state[0][0].Value+" ")
	return nil
}

var sequenceStart = regexp.MustCompile("(?i)(`\\s+)start with -?\\d+ ")

func (r *schemaReader) views() error {
	for i := range r.schema.Views {
		v := &r.schema.Views[i]
		rows, err := r.all("SHOW CREATE VIEW %s", name(v.Name))
		if err != nil {
			return err
		}
		v.Create, v.Client, v.Connection = rows[0][1].Value, rows[0][2].Value, rows[0][3].Value
	}
	return nil
}

func (r *schemaReader) routines() error {
	rows, err := r.all("SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = DATABASE() ORDER BY ROUTINE_TYPE, ROUTINE_NAME")
	if err != nil {
		return err
	}
	for _, row := range rows {
		kind := row[0].Value
		created, err := r.all("SHOW CREATE %s %s", kind, name(row[1].Value))
		if err != nil {
			return err
		}
		o := object{
			Kind: kind, Name: row[1].Value, SQLMode: created[0][1].Value, Create: created[0][2].Value,
			Client: created[0][3].Value, Connection: created[0][4].Value,
		}
		if !created[0][2].Valid {
			return fault.New(fault.Invalid, "Grant the "+r.server.side+"'s user SHOW_ROUTINE (MySQL) or SELECT on mysql.proc (MariaDB).",
				"the user may not see how %s %s is made", strings.ToLower(kind), o.Name)
		}
		r.schema.Routines = append(r.schema.Routines, o)
	}
	return nil
}

func (r *schemaReader) triggers() error {
	rows, err := r.all("SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = DATABASE() " +
		"ORDER BY EVENT_OBJECT_TABLE, ACTION_TIMING, EVENT_MANIPULATION, ACTION_ORDER")
	if err != nil {
		return err
	}
	for _, row := range rows {
		created, err := r.all("SHOW CREATE TRIGGER %s", name(row[0].Value))
		if err != nil {
			return err
		}
		r.schema.Triggers = append(r.schema.Triggers, object{
			Kind: "TRIGGER", Name: row[0].Value, SQLMode: created[0][1].Value, Create: created[0][2].Value,
			Client: created[0][3].Value, Connection: created[0][4].Value,
		})
	}
	return nil
}

func (r *schemaReader) events() error {
	rows, err := r.all("SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = DATABASE() ORDER BY EVENT_NAME")
	if err != nil {
		return err
	}
	for _, row := range rows {
		created, err := r.all("SHOW CREATE EVENT %s", name(row[0].Value))
		if err != nil {
			return err
		}
		r.schema.Events = append(r.schema.Events, object{
			Kind: "EVENT", Name: row[0].Value, SQLMode: created[0][1].Value, Zone: created[0][2].Value, Create: created[0][3].Value,
			Client: created[0][4].Value, Connection: created[0][5].Value,
		})
	}
	return nil
}

func (r *schemaReader) mark() error {
	if r.schema.Copy == "" {
		return nil
	}
	rows, err := r.all("SELECT plan FROM %s", name(marker))
	if wire.Code(err) == errNoColumn {
		return fault.New(fault.Refused, "Rename that table.", "there is a table %s that is not Landfall's", marker)
	}
	if err == nil && len(rows) > 0 {
		r.schema.Copy = rows[0][0].Value
	}
	return err
}

func (s *schema) table(name string) *table {
	for _, t := range s.Tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
