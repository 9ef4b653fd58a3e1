package mysql

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
)

// rights are what a user may do with all of a database, by their names in
// GRANT. Rights on single tables and columns are no part of it.
type rights map[string]bool

const (
	// allRights stands for every right.
	allRights = "ALL PRIVILEGES"
	// routinesShown is no right, but what SELECT on everything, or on MariaDB's
	// table of routines, comes with.
	routinesShown = "SELECT on mysql.proc"
)

// grant matches what SHOW GRANTS says of databases and tables.
var grant = regexp.MustCompile("^(GRANT|REVOKE) (.+?) ON (\\*|`(?:[^`]|``)*`)\\.(\\*|`(?:[^`]|``)*`) (?:TO|FROM) ")

// rights asks what the connection's user, with its roles, may do with the
// database.
func (s *server) rights(ctx context.Context, conn *wire.Conn) (rights, error) {
	rows, err := conn.All(ctx, "SHOW GRANTS")
	if err != nil {
		return nil, fmt.Errorf("asking the %s %s for the user's rights: %w", s.side, s.address, err)
	}
	if s.mariadb && s.atLeast(10, 11, 0) {
		// What everybody may do is listed apart.
		everybody, err := conn.All(ctx, "SHOW GRANTS FOR PUBLIC")
		if err != nil && wire.Code(err) == 0 {
			return nil, fmt.Errorf("asking the %s %s for everybody's rights: %w", s.side, s.address, err)
		}
		rows = append(rows, everybody...)
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		lines[i] = row[0].Value
	}
	return parseGrants(lines, s.address.Name()), nil
}

// parseGrants reads lines of SHOW GRANTS, of which MySQL's may take back for a
// database what is granted for all.
func parseGrants(lines []string, database string) rights {
	held, taken := rights{}, rights{}
	for _, line := range lines {
		parts := grant.FindStringSubmatch(line)
		if parts == nil {
			continue
		}
		into, table := held, parts[4]
		if parts[1] == "REVOKE" {
			into = taken
		}
		for right := range strings.SplitSeq(parts[2], ",") {
			right = strings.TrimSpace(right)
			if table == "*" && matchesDatabase(parts[3], database) {
				into[right] = true
			}
			if right == "SELECT" && matchesDatabase(parts[3], "mysql") && (table == "*" || table == "`proc`") {
				into[routinesShown] = true
			}
		}
	}
	for right := range taken {
		delete(held, right)
	}
	return held
}

// matchesDatabase says whether a pattern of a grant is of a database: _ is any
// character and % any number of them, unless they follow a backslash.
func matchesDatabase(pattern, database string) bool {
	if pattern == "*" {
		return true
	}
	pattern = strings.ReplaceAll(pattern[1:len(pattern)-1], "``", "`")
	expression := "(?s)^"
	escaped := false
	for _, r := range pattern {
		switch {
		case r == '\\' && !escaped:
			escaped = true
			continue
		case r == '_' && !escaped:
			expression += "."
		case r == '%' && !escaped:
			expression += ".*"
		default:
			expression += regexp.QuoteMeta(string(r))
		}
		escaped = false
	}
	matched, err := regexp.MatchString(expression+"$", database)
	return err == nil && matched
}

// has says whether one of some rights is held.
func (r rights) has(anyOf ...string) bool {
	return r[allRights] || slices.ContainsFunc(anyOf, func(right string) bool { return r[right] })
}

// unseen says what of the source its user may not see. Servers do not tell that
// it is there, so a copy would leave it out without a word.
func (r rights) unseen(database string) []string {
	var all []string
	for _, c := range []struct {
		what  string
		anyOf []string
	}{
		{"tables", []string{"SELECT"}},
		{"triggers", []string{"TRIGGER"}},
		{"events", []string{"EVENT"}},
		{"routines", []string{"EXECUTE", "SHOW_ROUTINE", "SHOW CREATE ROUTINE", "CREATE ROUTINE", "ALTER ROUTINE", routinesShown}},
	} {
		if !r.has(c.anyOf...) {
			all = append(all, fmt.Sprintf("%s that the source's user may not see: it has no right %s on %s", c.what, c.anyOf[0], database))
		}
	}
	return all
}

// missing names what a copy of a schema needs and the target's user lacks.
func (r rights) missing(s *schema) []string {
	needed := []string{"SELECT", "INSERT", "DELETE", "CREATE", "DROP", "ALTER", "INDEX"}
	for _, object := range []struct {
		there  bool
		rights []string
	}{
		{slices.ContainsFunc(s.Tables, func(t *table) bool { return len(t.Foreign) > 0 }), []string{"REFERENCES"}},
		{len(s.Views) > 0, []string{"CREATE VIEW"}},
		{len(s.Routines) > 0, []string{"CREATE ROUTINE", "ALTER ROUTINE"}},
		{len(s.Triggers) > 0, []string{"TRIGGER"}},
		{len(s.Events) > 0, []string{"EVENT"}},
	} {
		if object.there {
			needed = append(needed, object.rights...)
		}
	}
	return slices.DeleteFunc(needed, func(right string) bool { return r.has(right) })
}
