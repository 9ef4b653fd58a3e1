package mysql

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestParseGrants(t *testing.T) {
	for name, c := range map[string]struct {
		lines []string
		want  []string
	}{
		"nothing":            {[]string{"GRANT USAGE ON *.* TO `u`@`%` IDENTIFIED BY PASSWORD '*00'"}, []string{"USAGE"}},
		"the database":       {[]string{"GRANT SELECT, SHOW VIEW ON `a_shop`.* TO `u`@`%`"}, []string{"SELECT", "SHOW VIEW"}},
		"a pattern":          {[]string{"GRANT SELECT ON `a\\_%`.* TO `u`@`%`"}, []string{"SELECT"}},
		"another pattern":    {[]string{"GRANT SELECT ON `b\\_%`.* TO `u`@`%`", "GRANT SELECT ON `a\\_shops`.* TO `u`@`%`"}, nil},
		"an underscore":      {[]string{"GRANT SELECT ON `a_sh_p`.* TO `u`@`%`"}, []string{"SELECT"}},
		"tables only":        {[]string{"GRANT SELECT, INSERT (`a`, `b`) ON `a_shop`.`x` TO `u`@`%`", "GRANT EXECUTE ON FUNCTION `a_shop`.`f` TO `u`@`%`"}, nil},
		"roles":              {[]string{"GRANT `reader` TO `u`@`%`", "GRANT EVENT ON `a_shop`.* TO `reader`"}, []string{"EVENT"}},
		"dynamic, no blank":  {[]string{"GRANT BACKUP_ADMIN,SHOW_ROUTINE ON *.* TO `u`@`%`"}, []string{"BACKUP_ADMIN", "SHOW_ROUTINE"}},
		"routines are shown": {[]string{"GRANT SELECT ON `mysql`.`proc` TO `u`@`%`"}, []string{routinesShown}},
		"taken back":         {[]string{"GRANT SELECT, EVENT ON *.* TO `u`@`%`", "REVOKE SELECT ON `a_shop`.* FROM `u`@`%`"}, []string{"EVENT", routinesShown}},
		"hostile names":      {[]string{"GRANT SELECT ON `a``b`.* TO `x``.* TO y`@`%`", "GRANT EVENT ON `x` TO `y`.* TO `u`@`%`"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for right := range parseGrants(c.lines, "a_shop") {
				got = append(got, right)
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("rights (-want +got)\n%s", diff)
			}
		})
	}
}

// asUser makes a user with rights on a database, and gives its address.
func asUser(t *testing.T, address datacopy.Address, user, rights string) datacopy.Address {
	t.Helper()
	conn := connectTo(t, address)
	run(t, conn, "CREATE USER "+user+"@'%' IDENTIFIED BY 'pw'")
	for right := range strings.SplitSeq(rights, "; ") {
		if right != "" {
			run(t, conn, "GRANT "+strings.ReplaceAll(right, "DB", name(address.Name()))+" TO "+user+"@'%'")
		}
	}
	return parse(t, "mysql://"+user+":pw@"+address.Host()+"/"+address.Name())
}

// withObjects adds one of everything that is no table.
func withObjects(t *testing.T, address datacopy.Address) {
	run(t, connectTo(t, address), "CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY, what INT)",
		"CREATE TRIGGER audit AFTER INSERT ON people FOR EACH ROW INSERT INTO log (what) VALUES (NEW.id)",
		"CREATE EVENT tick ON SCHEDULE EVERY 1 DAY DO DELETE FROM log",
		"CREATE DEFINER=`nobody`@`%` FUNCTION g (x INT) RETURNS INT DETERMINISTIC RETURN x + 1",
		"CREATE VIEW seen AS SELECT id FROM people")
}

// testSourceRights: what a user may not see the server does not show, so the
// plan says that it may be there.
func testSourceRights(t *testing.T, servers pair) {
	req := filled(t, servers)
	withObjects(t, req.From)
	database, lacks := req.From.Name(), func(what, right string) string {
		return what + " that the source's user may not see: it has no right " + right + " on "
	}
	for user, c := range map[string]struct {
		rights  string
		notKept []string
		err     string
	}{
		"none":   {"", nil, "Access denied for user 'none'"},
		"single": {"SELECT ON DB.people", []string{lacks("tables", "SELECT"), lacks("triggers", "TRIGGER"), lacks("events", "EVENT"), lacks("routines", "EXECUTE")}, ""},
		"reader": {"SELECT ON DB.*", nil, "SHOW VIEW command denied"},
		"viewer": {"SELECT, SHOW VIEW, EXECUTE ON DB.*", nil, "may not see how function g is made"},
		"most":   {"SELECT, SHOW VIEW, EVENT ON *.*", []string{lacks("triggers", "TRIGGER")}, ""},
		"proc":   {"SELECT, SHOW VIEW, TRIGGER, EVENT ON DB.*; SELECT ON mysql.proc", nil, ""},
	} {
		t.Run(user, func(t *testing.T) {
			as := req
			as.From = asUser(t, req.From, user, c.rights)
			plan, err := New().Plan(t.Context(), as)
			if c.err != "" {
				if fault.ClassOf(err) != fault.Invalid || fault.HintOf(err) == "" || !strings.Contains(err.Error(), c.err) {
					t.Errorf("planning: %v (%v), want %q", err, fault.ClassOf(err), c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i := range c.notKept {
				c.notKept[i] += database
			}
			if diff := cmp.Diff(c.notKept, plan.NotKept); diff != "" {
				t.Errorf("not kept (-want +got)\n%s", diff)
			}
		})
	}
}

// testTargetRights: what will be missing is said before anything is copied.
func testTargetRights(t *testing.T, servers pair) {
	req := filled(t, servers)
	withObjects(t, req.From)
	for user, c := range map[string]struct{ rights, missing string }{
		"looks":  {"SELECT ON DB.*", "INSERT, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, CREATE ROUTINE, ALTER ROUTINE, TRIGGER, EVENT"},
		"writes": {"SELECT, INSERT, DELETE, CREATE, DROP, ALTER, INDEX, CREATE VIEW, TRIGGER ON DB.*", "CREATE ROUTINE, ALTER ROUTINE, EVENT"},
	} {
		as := req
		as.To = asUser(t, req.To, user, c.rights)
		_, err := datacopy.Run(t.Context(), New(), as, &datacopy.MemoryJournal{}, progress.Discard)
		if want := "the target's user lacks the right " + c.missing + " on " + req.To.Name(); fault.ClassOf(err) != fault.Refused || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", user, err, want)
		}
	}
	// With all of the databases, users need no more, but for definers.
	as := req
	as.From, as.To = asUser(t, req.From, "owner", "ALL ON DB.*; SELECT ON mysql.proc"), asUser(t, req.To, "owner", "ALL ON DB.*")
	journal, admin := &datacopy.MemoryJournal{}, connectTo(t, req.To)
	const trust = "log_bin_trust_function_creators = 1"
	if _, err := datacopy.Run(t.Context(), New(), as, journal, progress.Discard); fault.ClassOf(err) != fault.Invalid || !strings.Contains(fault.HintOf(err), trust) {
		t.Errorf("routines where the binary log is written: %v (hint %q)", err, fault.HintOf(err))
	}
	run(t, admin, "SET GLOBAL "+trust)
	if outcome, err := datacopy.Run(t.Context(), New(), as, journal, progress.Discard); err != nil || outcome.Report.Answer() != datacopy.Equal {
		t.Errorf("a user with all rights on the database: %v", err)
	}
	as.Replace, as.Options = true, map[string]string{"definer": "keep"}
	if _, err := datacopy.Run(t.Context(), New(), as, &datacopy.MemoryJournal{}, progress.Discard); fault.ClassOf(err) != fault.Invalid || !strings.Contains(err.Error(), "SET USER") {
		t.Errorf("keeping definers: %v (%v)", err, fault.ClassOf(err))
	}
	run(t, admin, "SET GLOBAL read_only = 1")
	defer run(t, admin, "SET GLOBAL read_only = 0")
	as.Options = nil
	if _, err := datacopy.Run(t.Context(), New(), as, &datacopy.MemoryJournal{}, progress.Discard); fault.ClassOf(err) != fault.Refused || !strings.Contains(fault.HintOf(err), "read_only") {
		t.Errorf("a server that is read-only: %v (hint %q)", err, fault.HintOf(err))
	}
}
