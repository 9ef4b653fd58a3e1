package load

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkRequests is what one request costs both sides, one after the other.
func BenchmarkRequests(b *testing.B) {
	o := Options{URLs: []string{serve(b, func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) })}}.withDefaults()
	c, err := newClient(o)
	if err != nil {
		b.Fatal(err)
	}
	defer c.close()
	b.ReportAllocs()
	for b.Loop() {
		if outcome := c.ask(b.Context(), Outcome{Due: time.Now()}); outcome.Bad() {
			b.Fatalf("%+v", outcome)
		}
	}
}

// BenchmarkTally is what counting costs.
func BenchmarkTally(b *testing.B) {
	p, err := newPlan([]Step{{Rate: MaxRate}})
	if err != nil {
		b.Fatal(err)
	}
	t := newTally(Options{URLs: []string{"http://shop.example/"}}, p)
	b.ReportAllocs()
	n := int64(0)
	for b.Loop() {
		due, _ := p.due(n)
		at := t.start.Add(due)
		t.add(Outcome{N: n, Due: at, Sent: at, Done: at.Add(5 * time.Millisecond), Status: http.StatusOK, Side: "new"})
		n++
	}
}
