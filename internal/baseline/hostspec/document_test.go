package hostspec

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func example() *Spec {
	spec := &Spec{
		Host: "web1", Salt: "00ff",
		Unknown:   map[Kind]string{Firewall: "nft: needs root"},
		Rules:     []Rule{{Exclude: "package/*-doc", Reason: "documentation"}},
		Decisions: []Decision{{Item: "cron/*", Class: "platform"}},
	}
	spec.Add(Sysctl, "net.core.somaxconn", Attribute{ValueAttribute, Text("4096")})
	spec.Add(Sysctl, "kernel.random.uuid", Attribute{ValueAttribute, VolatileBecause("new at each read")})
	spec.Add(Package, "nginx", Attribute{"version", Expect(Versions, ">= 1.22")}, Attribute{"manual", Bool(true)})
	spec.Add(User, "deploy", Attribute{"uid", Int(1001)}, Attribute{"groups", List("adm", "www-data")})
	spec.Add(File, "/etc/a\nb", Attribute{"sha256", UnknownBecause("not permitted")})
	spec.Add(Environment, "php-fpm DB_PASSWORD", Attribute{ValueAttribute, Fingerprint("00ff", "hunter2")})
	spec.Items = append(spec.Items, Item{Key: Key{Package, "telnetd"}, Absent: true})
	spec.Add(Limit, "* soft nofile", Attribute{ValueAttribute, Expect(Not, Expect(OneOf, []string{"1024", "2048"}))})
	spec.Sort()
	return spec
}

func TestDocumentIsReadAsItWasWritten(t *testing.T) {
	var first, second bytes.Buffer
	if err := example().Encode(&first); err != nil {
		t.Fatal(err)
	}
	read, err := Decode(first.Bytes(), "web1")
	if err != nil {
		t.Fatalf("%v\n%s", err, first.String())
	}
	if diff := cmp.Diff(example(), read); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
	if err := read.Encode(&second); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first.String(), second.String()); diff != "" {
		t.Errorf("encoded twice (-first +second):\n%s", diff)
	}
	t.Log("\n" + first.String())
}
