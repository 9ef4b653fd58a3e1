package hostspec

import (
	"bytes"
	"fmt"
	"testing"
)

func big(items int) *Spec {
	spec := &Spec{Host: "web1", Salt: "00ff"}
	for i := range items {
		switch i % 3 {
		case 0:
			spec.Add(Package, fmt.Sprintf("lib-%d", i), Attribute{"version", Text(fmt.Sprintf("1.2.%d-3+deb12u1", i))}, Attribute{"arch", Text("amd64")}, Attribute{"manager", Text("dpkg")}, Attribute{"manual", Bool(true)})
		case 1:
			spec.Add(Sysctl, fmt.Sprintf("net.ipv4.conf.%d", i), Attribute{ValueAttribute, Text("4096")})
		case 2:
			spec.Add(File, fmt.Sprintf("/etc/app/%d.conf", i), Attribute{"state", Text("changed")}, Attribute{"mode", Text("0644")}, Attribute{"owner", Text("root")}, Attribute{"size", Int(int64(i))}, Attribute{"sha256", Text(fmt.Sprintf("%064x", i))})
		}
	}
	spec.Sort()
	return spec
}

func BenchmarkEncode10000Items(b *testing.B) {
	spec := big(10_000)
	for b.Loop() {
		var out bytes.Buffer
		if err := spec.Encode(&out); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(out.Len()))
	}
}

func BenchmarkDecode10000Items(b *testing.B) {
	var out bytes.Buffer
	if err := big(10_000).Encode(&out); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(out.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(out.Bytes(), "big"); err != nil {
			b.Fatal(err)
		}
	}
}
