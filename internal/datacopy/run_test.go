package datacopy

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

func address(t *testing.T, text string) Address {
	t.Helper()
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestRequestCheck(t *testing.T) {
	from, to := address(t, "mysql://a/x"), address(t, "mysql://b/x")
	for name, tt := range map[string]struct {
		req  Request
		want fault.Class
	}{
		"no target":        {Request{From: from}, fault.Invalid},
		"two kinds":        {Request{From: from, To: address(t, "redis://b")}, fault.Invalid},
		"itself":           {Request{From: from, To: address(t, "mariadb://other@a:3306/x")}, fault.Refused},
		"unknown mode":     {Request{From: from, To: to, Mode: "some"}, fault.Invalid},
		"delete when full": {Request{From: from, To: to, Delete: true}, fault.Invalid},
		"negative":         {Request{From: from, To: to, Parallel: -1}, fault.Invalid},
		"bad pattern":      {Request{From: from, To: to, Include: []string{"a["}}, fault.Invalid},
	} {
		if err := tt.req.Check(); err == nil || fault.ClassOf(err) != tt.want {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	if err := (Request{From: from, To: to, Mode: Incremental, Delete: true}).Check(); err != nil {
		t.Error(err)
	}
}

func TestPlanCheck(t *testing.T) {
	req := Request{From: address(t, "mysql://a/x"), To: address(t, "mysql://b/x")}
	plan := func(change func(*Plan)) *Plan {
		p := NewPlan(req)
		change(p)
		return p
	}
	for name, tt := range map[string]struct {
		plan    *Plan
		refused bool
	}{
		"as asked":           {plan(func(*Plan) {}), false},
		"of another copy":    {plan(func(p *Plan) { p.To = "mysql://c/x" }), true},
		"another mask":       {plan(func(p *Plan) { p.MaskDigest = "m" }), true},
		"other names":        {plan(func(p *Plan) { p.Include = []string{"a*"} }), true},
		"another mode":       {plan(func(p *Plan) { p.Mode = Incremental }), true},
		"other options":      {plan(func(p *Plan) { p.Options = map[string]string{"tags": "false"} }), true},
		"blocked":            {plan(func(p *Plan) { p.Blockers = []string{"no"} }), true},
		"overwrites":         {plan(func(p *Plan) { p.Overwrites = []string{"table t"} }), true},
		"overwrites, agreed": {plan(func(p *Plan) { p.Overwrites, p.Replace = []string{"table t"}, true }), false},
	} {
		err := tt.plan.Check(req)
		if (err != nil) != tt.refused || (err != nil && fault.ClassOf(err) != fault.Refused) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReportAnswersTheWorst(t *testing.T) {
	unit := func(answers ...Answer) *Report {
		r := &Report{}
		for _, a := range answers {
			r.Units = append(r.Units, UnitReport{Name: "u", Answer: a, Cause: "c"})
		}
		return r
	}
	for _, tt := range []struct {
		report *Report
		want   Answer
		code   int
	}{
		{unit(), Unknown, fault.ExitFailed},
		{unit(Equal, Equal), Equal, fault.ExitOK},
		{unit(Equal, Unknown), Unknown, fault.ExitFailed},
		{unit(Unknown, Different), Different, fault.ExitNotHolding},
		{unit(""), Unknown, fault.ExitFailed},
	} {
		if got := tt.report.Answer(); got != tt.want || fault.ExitCode(tt.report.Err()) != tt.code {
			t.Errorf("%+v: %s, %v", tt.report.Units, got, tt.report.Err())
		}
	}
}

func TestRetry(t *testing.T) {
	passing, final := errors.New("passes"), errors.New("final")
	var count atomic.Int64
	r := Retry{First: time.Millisecond, Attempts: 4, Passing: func(err error) bool { return errors.Is(err, passing) }, Count: &count}
	calls := 0
	err := r.Do(t.Context(), func(attempt int) error {
		if calls++; attempt < 2 {
			return passing
		}
		return nil
	})
	if err != nil || calls != 3 || count.Load() != 2 {
		t.Errorf("%v after %d calls, %d counted", err, calls, count.Load())
	}
	for _, tt := range []struct {
		err   error
		calls int
	}{{final, 1}, {passing, 4}} {
		calls = 0
		if err := r.Do(t.Context(), func(int) error { calls++; return tt.err }); !errors.Is(err, tt.err) || calls != tt.calls {
			t.Errorf("%v: %v after %d calls", tt.err, err, calls)
		}
	}
}

func TestLimiterHoldsToItsRate(t *testing.T) {
	l := NewLimiter(100_000)
	began := time.Now()
	for range 5 {
		if err := l.Wait(t.Context(), 10_000); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(began); took < 350*time.Millisecond || l.Waited() == 0 {
		t.Errorf("50,000 bytes at 100,000 a second took %s", took)
	}
	var none *Limiter
	if err := none.Wait(t.Context(), 1<<40); err != nil || none.Waited() != 0 {
		t.Error("no limiter limits")
	}
}

func TestGuardPausesWhileTheSourceIsBusy(t *testing.T) {
	l := NewLimiter(0)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var looks atomic.Int64
	busy := make(chan struct{})
	go l.Guard(ctx, time.Millisecond, func(context.Context) (bool, error) {
		n := looks.Add(1)
		if n == 3 {
			close(busy)
		}
		return n < 50, nil
	})
	<-busy
	if err := l.Wait(t.Context(), 1); err != nil || looks.Load() < 50 {
		t.Errorf("waiting ended after %d looks: %v", looks.Load(), err)
	}
	if l.Waited() == 0 {
		t.Error("the pause was not counted")
	}
}
