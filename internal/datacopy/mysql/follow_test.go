package mysql

import (
	"fmt"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

func TestFollowUntilCutover(t *testing.T) {
	followUntilCutover(t, storetest.MariaDB(t, "--log-bin", "--binlog-format=ROW", "--server-id=1"), storetest.MariaDB(t))
}

func followUntilCutover(t *testing.T, source, target *storetest.Server) {
	req := filled(t, func() (*storetest.Server, *storetest.Server) { return source, target })
	writer := connectTo(t, req.From)
	run(t, writer,
		"CREATE TABLE keys_of_kinds (u BIGINT UNSIGNED, m MEDIUMINT UNSIGNED, b BINARY(4), s VARCHAR(20) CHARACTER SET latin1, d DATETIME(3), ts TIMESTAMP NOT NULL, v INT, PRIMARY KEY (u, m, b, s, d, ts))",
		"INSERT INTO keys_of_kinds VALUES (18446744073709551615, 16777215, 0x01, 'é', '2026-01-02 03:04:05.678', '2026-10-25 00:30:00', 1), (1, 2, 0x00, '', '2026-01-02', '2026-01-02', 1)",
		"CREATE TABLE nokey (a INT)", "INSERT INTO nokey VALUES (1), (1)",
		"CREATE TABLE log (id INT AUTO_INCREMENT PRIMARY KEY)",
		"CREATE TRIGGER audit AFTER UPDATE ON people FOR EACH ROW INSERT INTO log VALUES (NULL)")
	journal, cutover, engine := &datacopy.MemoryJournal{}, make(chan struct{}), New()
	outcome, err := datacopy.Run(t.Context(), engine, req, journal, progress.Discard)
	if err != nil {
		t.Fatal(err)
	}
	req.StopWrites = true
	ended := make(chan error, 1)
	go func() {
		_, err := engine.Follow(t.Context(), req, outcome.Plan, journal, cutover, progress.Discard)
		ended <- err
	}()
	for i := range 40 {
		run(t, writer,
			fmt.Sprintf("UPDATE people SET name = 'changed %d' WHERE id = %d", i, 3*(i+1)),
			fmt.Sprintf("UPDATE people SET id = -id WHERE id = %d", 3*(i+100)),
			fmt.Sprintf("DELETE FROM people WHERE id BETWEEN %d AND %d", 3000+i*30, 3000+i*30+10),
			fmt.Sprintf("INSERT INTO people VALUES (%d, 1, 'new é', NULL)", 100_000+i))
	}
	run(t, writer, "UPDATE keys_of_kinds SET v = v + 1", "INSERT INTO nokey VALUES (2)", "DELETE FROM nokey WHERE a = 1 LIMIT 1")
	close(cutover)
	select {
	case err := <-ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("the cut-over did not come")
	}
	if readOnly, err := writer.All(t.Context(), "SELECT @@global.read_only"); err != nil || readOnly[0][0].Value != "1" {
		t.Errorf("the source is not read-only: %v, %v", readOnly, err)
	}
	report, err := engine.Verify(t.Context(), req, outcome.Plan, nil, progress.Discard)
	if err != nil || report.Answer() != datacopy.Equal {
		t.Errorf("both sides after the cut-over: %+v, %v", report, err)
	}
	_, err = engine.Follow(t.Context(), req, outcome.Plan, &datacopy.MemoryJournal{}, cutover, progress.Discard)
	if fault.ClassOf(err) != fault.Refused {
		t.Errorf("following without a position: %v, want a refusal", err)
	}
}
