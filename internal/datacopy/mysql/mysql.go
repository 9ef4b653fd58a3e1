// Package mysql copies databases between MySQL and MariaDB servers, in any
// combination. Rows are read in one consistent snapshot by several workers, in
// chunks of the primary key, and loaded by LOAD DATA from memory; secondary
// indexes are built after the data. Every chunk has a digest of what was sent,
// and the target's server computes the same. Start at Engine.Plan, then
// copier.run.
//
// The source's user needs SELECT, SHOW VIEW, TRIGGER, EVENT and SHOW ROUTINE on
// the database, and one of RELOAD and LOCK TABLES for more than one reader;
// Follow needs REPLICATION SLAVE and REPLICATION CLIENT (BINLOG MONITOR) too.
// The target's user needs everything on its database.
//
// Options of a request: definer=target (the default: the target's user stands
// in for definers of views, triggers, routines and events) or definer=keep.
package mysql

import "github.com/landfall-dev/landfall/internal/datacopy"

// Engine is the datacopy.Engine of MySQL and MariaDB. It holds nothing.
type Engine struct{}

// New gives the engine.
func New() *Engine { return &Engine{} }

// Kind implements datacopy.Engine.
func (e *Engine) Kind() datacopy.Kind { return datacopy.MySQL }
