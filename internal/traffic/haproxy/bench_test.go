package haproxy

import "testing"

func BenchmarkParseReport(b *testing.B) {
	text := reply(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseReport(text, shop); err != nil {
			b.Fatal(err)
		}
	}
}
