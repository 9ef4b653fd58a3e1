package storetest

import (
	"sync"

	"github.com/landfall-dev/landfall/internal/progress"
)

// During is a Reporter that does something once in the middle of a copy: when
// the first record is done.
func During(do func()) progress.Reporter { return &during{do: sync.OnceFunc(do)} }

type during struct{ do func() }

func (d *during) Step(string) progress.Step { return d }
func (d *during) Note(string, ...any)       {}

func (d *during) Count(int64, int64, string) { d.do() }
func (d *during) Update(string, ...any)      {}
func (d *during) Done(string, ...any)        {}
func (d *during) Fail(error)                 {}
