package localhost

import "testing"

func TestResolve(t *testing.T) {
	for hostPort, want := range map[string]string{
		"web.staging.localhost:8080": "127.0.0.1:8080", "Web.LOCALHOST.:80": "127.0.0.1:80",
		"localhost:80": "localhost:80", "localhost.example:80": "localhost.example:80", "notlocalhost:80": "notlocalhost:80", "odd": "odd",
	} {
		if got := Resolve(hostPort); got != want {
			t.Errorf("%s: got %s, want %s", hostPort, got, want)
		}
	}
}
