package environment

import "testing"

func TestReferences(t *testing.T) {
	const d = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	tests := []struct{ image, version, want, asked string }{
		{"nginx", "", "nginx:latest", "latest"},
		{"nginx", "1.27", "nginx:1.27", "1.27"},
		{"nginx:1.26", "1.27", "nginx:1.27", "1.27"},
		{"localhost:5001/shop/web", "", "localhost:5001/shop/web:latest", "latest"},
		{"localhost:5001/shop/web:1", "2", "localhost:5001/shop/web:2", "2"},
		{"localhost:5001/shop/web:1", d, "localhost:5001/shop/web@" + d, d},
		{"web:1", "2@" + d, "web:2@" + d, "2"},
		{"web:1@" + d, "", "web:1@" + d, "1"},
		{"web:1@" + d, "2", "web:2", "2"},
		{"web@" + d, "", "web@" + d, d},
	}
	for _, test := range tests {
		p := part{version: test.version}
		p.Image = test.image
		if got := p.reference().String(); got != test.want {
			t.Errorf("%s at %q is %s, want %s", test.image, test.version, got, test.want)
		}
		if got := p.asked(); got != test.asked {
			t.Errorf("%s at %q is version %s, want %s", test.image, test.version, got, test.asked)
		}
	}
}
