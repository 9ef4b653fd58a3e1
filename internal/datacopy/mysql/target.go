package mysql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// prepare makes the target ready for rows: marked as incomplete, what is in
// the way dropped, tables made without what is built later. It is idempotent.
func (c *copier) prepare(ctx context.Context, conn *wire.Conn) error {
	if _, err := conn.Exec(ctx, "SET NAMES utf8mb4"); err != nil {
		return err
	}
	if err := c.addNoKeys(ctx, conn); err != nil {
		return err
	}
	// Who uses what is to be dropped would have us wait for a day.
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET SESSION lock_wait_timeout = %d", lockPatience)); err != nil {
		return err
	}
	if err := c.setMarker(ctx, conn); err != nil {
		return err
	}
	if !c.done(stateUnit, "dropped") {
		if err := c.drop(ctx, conn); err != nil {
			return err
		}
	}
	if err := c.setDatabase(ctx, conn); err != nil {
		return err
	}
	for _, s := range c.detail.Schema.Sequences {
		if err := c.replace(ctx, conn, s); err != nil {
			return err
		}
	}
	for _, t := range c.detail.Schema.Tables {
		if err := c.makeTable(ctx, conn, t); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "SET SESSION lock_wait_timeout = DEFAULT")
	return err
}

// addNoKeys has the server make tables as they are defined, without a primary
// key of its own. A user may lack the right; then verifying shows the key.
func (c *copier) addNoKeys(ctx context.Context, conn *wire.Conn) error {
	if !c.to.addsKeys() || c.to.requiresKey {
		return nil
	}
	_, err := conn.Exec(ctx, "SET SESSION sql_generate_invisible_primary_key = 0")
	if wire.Code(err) != 0 {
		return nil
	}
	return err
}

// setMarker says in the target which copy is under way. A copy that goes on
// must find its own mark.
func (c *copier) setMarker(ctx context.Context, conn *wire.Conn) error {
	begun := c.done(stateUnit, "marked")
	if begun {
		rows, err := conn.All(ctx, "SELECT plan FROM "+name(marker))
		if wire.Code(err) == errNoTable || (err == nil && (len(rows) == 0 || rows[0][0].Value != c.plan.ID)) {
			return errMarker
		}
		return err
	}
	for _, statement := range []string{
		"DROP TABLE IF EXISTS " + name(marker),
		"CREATE TABLE " + name(marker) + " (plan VARCHAR(64) NOT NULL PRIMARY KEY, started TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP) " +
			"COMMENT 'A copy by landfall is under way here: the data are not complete.'",
		"INSERT INTO " + name(marker) + " (plan) VALUES (" + text(c.plan.ID) + ")",
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("marking it as incomplete: %w", err)
		}
	}
	return c.mark(stateUnit, "marked")
}

func (c *copier) drop(ctx context.Context, conn *wire.Conn) error {
	for _, o := range c.detail.Drop {
		if _, err := conn.Exec(ctx, "DROP "+o.Kind+" IF EXISTS "+name(o.Name)); err != nil {
			return fmt.Errorf("dropping %s %s: %w", strings.ToLower(o.Kind), o.Name, err)
		}
	}
	return c.mark(stateUnit, "dropped")
}

// setDatabase gives the database the source's character set, for tables to
// come. A user without the right to do so loses only that.
func (c *copier) setDatabase(ctx context.Context, conn *wire.Conn) error {
	s := c.detail.Schema
	rows, err := conn.All(ctx, "SELECT @@character_set_database, @@collation_database")
	if err != nil || (rows[0][0].Value == s.Charset && rows[0][1].Value == s.Collation) || c.done(stateUnit, "database") {
		return err
	}
	_, err = conn.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s CHARACTER SET %s COLLATE %s", name(c.req.To.Name()), s.Charset, s.Collation))
	if err != nil && wire.Code(err) != 0 {
		c.lose("the database's default character set %s: %v", s.Charset, err)
		err = nil
	}
	return errors.Join(err, c.mark(stateUnit, "database"))
}

// replace makes a sequence, view, routine, trigger or event, in the session it
// was made in.
func (c *copier) replace(ctx context.Context, conn *wire.Conn, o object) error {
	if _, err := conn.Exec(ctx, "DROP "+o.Kind+" IF EXISTS "+name(o.Name)); err != nil {
		return fmt.Errorf("replacing %s %s: %w", strings.ToLower(o.Kind), o.Name, err)
	}
	set := []string{"sql_mode = " + text(o.SQLMode)}
	if o.Kind == "VIEW" || o.Kind == "SEQUENCE" {
		set = nil
	}
	if o.Zone != "" {
		set = append(set, "time_zone = "+text(o.Zone))
	}
	if o.Client != "" && isASCII(o.Create) {
		set = append(set, "character_set_client = "+o.Client, "collation_connection = "+o.Connection)
	} else if o.Client != "" && !strings.HasPrefix(o.Client, "utf8") {
		c.lose("that %s %s was made in %s: it is made in utf8mb4", strings.ToLower(o.Kind), o.Name, o.Client)
	}
	if len(set) > 0 {
		if _, err := conn.Exec(ctx, "SET SESSION "+strings.Join(set, ", ")); err != nil {
			return fmt.Errorf("preparing the session for %s %s: %w", strings.ToLower(o.Kind), o.Name, err)
		}
	}
	_, err := conn.Exec(ctx, o.Create)
	if err != nil {
		err = fmt.Errorf("making %s %s: %w", strings.ToLower(o.Kind), o.Name, err)
	}
	if conn.Broken() {
		return err
	}
	_, reset := conn.Exec(ctx, session)
	_, named := conn.Exec(ctx, "SET NAMES utf8mb4")
	return errors.Join(err, reset, named)
}

func isASCII(text string) bool {
	for i := range len(text) {
		if text[i] >= 0x80 {
			return false
		}
	}
	return true
}

// smallTable is up to which size indexes are cheaper to keep than to add.
const smallTable = 4 << 20

// makeTable makes an empty table, once.
func (c *copier) makeTable(ctx context.Context, conn *wire.Conn, t *table) error {
	if t.Exists || c.done(stateUnit, "table "+t.Name) {
		return nil
	}
	d, err := parseDefinition(t.Make)
	if err != nil {
		return fmt.Errorf("making table %s: %w", t.Name, err)
	}
	if _, err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+name(t.Name)); err != nil {
		return fmt.Errorf("dropping table %s: %w", t.Name, err)
	}
	if _, err := conn.Exec(ctx, d.bare(t.keeps(d))); err != nil {
		return fmt.Errorf("making table %s: %w", t.Name, err)
	}
	return c.mark(stateUnit, "table "+t.Name)
}

var autoIncrement = regexp.MustCompile(`(?i)\bAUTO_INCREMENT\b`)

// keeps says which indexes a table has from the start: that of an
// AUTO_INCREMENT column, which needs one; the one that stands in for a primary
// key; all of a small table.
func (t *table) keeps(d *definition) func(part) bool {
	auto := ""
	for _, p := range d.parts {
		if p.kind == columnPart && autoIncrement.MatchString(unquoted(p.text)) {
			auto = "(" + name(p.name)
		}
	}
	return func(p part) bool {
		switch p.kind {
		case foreignPart:
			return false
		case uniquePart, indexPart:
			return t.DataBytes < smallTable || (t.Index != "PRIMARY" && p.name == t.Index) || (auto != "" && strings.Contains(p.text, auto))
		}
		return t.DataBytes < smallTable
	}
}

// unquoted blanks out what is quoted.
func unquoted(definition string) string {
	var out strings.Builder
	scan(definition, func(i, _ int) bool {
		out.WriteByte(definition[i])
		return true
	})
	return out.String()
}

// addIndexes builds what makeTable left out: all ordinary indexes in one go,
// which reads the table once; the others one by one, as servers want it.
func (c *copier) addIndexes(ctx context.Context, conn *wire.Conn, t *table) error {
	if t.Exists || c.done(stateUnit, "indexes "+t.Name) {
		return nil
	}
	if err := c.again(func() error { return c.addMissingIndexes(ctx, conn, t) }); err != nil {
		return err
	}
	return c.mark(stateUnit, "indexes "+t.Name)
}

// again looks once more at what is missing when something was added meanwhile:
// the statement of a process that was killed goes on in the server, and ours
// waits for it.
func (c *copier) again(add func() error) error {
	err := add()
	switch wire.Code(err) {
	case errKeyExists, errForeignExists:
		return add()
	}
	return err
}

func (c *copier) addMissingIndexes(ctx context.Context, conn *wire.Conn, t *table) error {
	missing, err := c.missing(ctx, conn, t, uniquePart, indexPart, fulltextPart, spatialPart)
	if err != nil {
		return err
	}
	var together []string
	for _, p := range missing {
		if p.kind == uniquePart || p.kind == indexPart {
			together = append(together, "ADD "+p.text)
		}
	}
	var statements []string
	if len(together) > 0 {
		statements = append(statements, strings.Join(together, ", "))
	}
	for _, p := range missing {
		if p.kind == fulltextPart || p.kind == spatialPart {
			statements = append(statements, "ADD "+p.text)
		}
	}
	return c.alter(ctx, conn, t, statements...)
}

// missing gives the parts of a kind that the target's table does not have.
func (c *copier) missing(ctx context.Context, conn *wire.Conn, t *table, kinds ...partKind) ([]part, error) {
	if _, err := conn.Exec(ctx, "SET NAMES utf8mb4"); err != nil {
		return nil, err
	}
	rows, err := conn.All(ctx, "SHOW CREATE TABLE "+name(t.Name))
	if err != nil {
		return nil, err
	}
	there, err := parseDefinition(rows[0][1].Value)
	if err != nil {
		return nil, err
	}
	wanted, err := parseDefinition(t.Make)
	if err != nil {
		return nil, err
	}
	has := map[string]bool{}
	for _, p := range there.parts {
		has[p.id()] = true
	}
	return wanted.later(func(p part) bool { return has[p.id()] }, kinds...), nil
}

func (c *copier) alter(ctx context.Context, conn *wire.Conn, t *table, changes ...string) error {
	for _, change := range changes {
		if _, err := conn.Exec(ctx, "ALTER TABLE "+name(t.Name)+" "+change); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "SET NAMES binary")
	return err
}

// complete adds what refers to tables and data, and takes the mark away.
func (c *copier) complete(ctx context.Context, conn *wire.Conn) error {
	for _, t := range c.detail.Schema.Tables {
		if t.Exists {
			continue
		}
		if err := c.again(func() error { return c.addMissingForeign(ctx, conn, t) }); err != nil {
			return fmt.Errorf("adding foreign keys of %s: %w", t.Name, err)
		}
	}
	if _, err := conn.Exec(ctx, "SET NAMES utf8mb4"); err != nil {
		return err
	}
	s := c.detail.Schema
	for _, objects := range [][]object{s.Routines, s.Views, s.Triggers, s.Events} {
		if err := c.replaceAll(ctx, conn, objects); err != nil {
			return err
		}
	}
	_, err := conn.Exec(ctx, "DROP TABLE IF EXISTS "+name(marker))
	return err
}

func (c *copier) addMissingForeign(ctx context.Context, conn *wire.Conn, t *table) error {
	missing, err := c.missing(ctx, conn, t, foreignPart)
	if err != nil || len(missing) == 0 {
		return err
	}
	adds := make([]string, len(missing))
	for i, p := range missing {
		adds[i] = "ADD " + p.text
	}
	return c.alter(ctx, conn, t, strings.Join(adds, ", "))
}

// replaceAll makes objects that may need one another: it tries again those
// that failed as long as others succeed.
func (c *copier) replaceAll(ctx context.Context, conn *wire.Conn, objects []object) error {
	for len(objects) > 0 {
		var failed []object
		var causes []error
		for _, o := range objects {
			if err := c.replace(ctx, conn, o); err != nil {
				failed, causes = append(failed, o), append(causes, err)
			}
			if conn.Broken() {
				return errors.Join(causes...)
			}
		}
		if len(failed) == len(objects) {
			return errors.Join(causes...)
		}
		objects = failed
	}
	return nil
}
