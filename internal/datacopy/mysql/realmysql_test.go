package mysql

import (
	"testing"

	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// The conformance suite with MySQL on either side. Its servers have their
// defaults: no LOAD DATA LOCAL, the binary log by rows.

func TestConformanceMySQL(t *testing.T) {
	conforms(t, anyMySQL, anyMySQL)
}

func TestConformanceMySQLToMariaDB(t *testing.T) {
	conforms(t, anyMySQL, anyMariaDB)
}

func TestConformanceMariaDBToMySQL(t *testing.T) {
	conforms(t, anyMariaDB, mysqlThatLoads)
}

// MySQL writes its binary log by rows unless told otherwise.

func TestFollowMySQL(t *testing.T) { followUntilCutover(t, anyMySQL(t), mysqlThatLoads(t)) }

func TestFollowMySQLToMariaDB(t *testing.T) { followUntilCutover(t, anyMySQL(t), anyMariaDB(t)) }

type starter func(*testing.T) *storetest.Server

func anyMariaDB(t *testing.T) *storetest.Server     { return storetest.MariaDB(t) }
func anyMySQL(t *testing.T) *storetest.Server       { return storetest.MySQL(t) }
func mysqlThatLoads(t *testing.T) *storetest.Server { return storetest.MySQL(t, "--local-infile=1") }

func conforms(t *testing.T, source, target starter) {
	from, to := source(t), target(t) // not within the suite: they may skip the test
	storetest.Run(t, storetest.Suite{
		Engine: New(), Records: 20_000, ChunkBytes: 64 << 10, Secret: storetest.Secret,
		Store: &rows{servers: func() (*storetest.Server, *storetest.Server) { return from, to }},
	})
}
