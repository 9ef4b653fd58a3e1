package check

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/result"
)

// sees is a server that says which host it was asked for.
func sees(t *testing.T) *httptest.Server {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "http://"+r.Host+"/", http.StatusFound)
			return
		}
		w.Write([]byte(r.Host + " " + r.URL.RequestURI()))
	})
}

func TestHostAndAddressAreToldApart(t *testing.T) {
	server := sees(t)
	address := strings.TrimPrefix(server.URL, "http://")
	_, port, _ := net.SplitHostPort(address)
	tests := []struct {
		name    string
		options Options
		body    string
		target  string
	}{
		{"URL only", Options{URL: server.URL}, address + " /x", server.URL},
		{"host", Options{URL: server.URL, Host: "shop.invalid"}, "shop.invalid /x", "http://shop.invalid at " + address},
		{"address", Options{URL: "http://shop.invalid", Address: address}, "shop.invalid /x", "http://shop.invalid at " + address},
		{"address without port", Options{URL: "http://shop.invalid:" + port, Address: "127.0.0.1"}, "shop.invalid:" + port + " /x", "http://shop.invalid:" + port + " at " + address},
		{"host and address", Options{URL: "http://old.invalid", Host: "shop.invalid", Address: address}, "shop.invalid /x", "http://shop.invalid at " + address},
		{"address of another host", Options{URL: "http://shop.invalid/", Addresses: map[string]string{"shop.invalid:80": address}}, "shop.invalid /x", "http://shop.invalid at " + address},
		{"host at an address of its own", Options{URL: "http://env.invalid:" + port, Host: "shop.invalid", Addresses: map[string]string{"env.invalid": "127.0.0.1"}}, "shop.invalid /x", "http://shop.invalid at " + address},
		{"path before paths", Options{URL: server.URL + "/app/"}, address + " /app/x", server.URL + "/app"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := run(t, server, "checks: [{name: it, request: GET /x, expect: {body: [{equals: '"+tt.body+"'}]}}]", tt.options)
			got := report.Results[0]
			if got.Answer != result.Holds || got.Target != tt.target {
				t.Errorf("%v at %q: %s", got.Answer, got.Target, got.Reason)
			}
		})
	}
}

func TestRedirectsStayAtTheAddress(t *testing.T) {
	server := sees(t)
	report := run(t, server, "checks: [{name: it, request: {path: /again, follow: true}, expect: {redirect: /}}]",
		Options{URL: "http://shop.invalid", Address: strings.TrimPrefix(server.URL, "http://")})
	if got := report.Results[0]; got.Answer != result.Holds {
		t.Errorf("%v: %s", got.Answer, got.Reason)
	}
}

func TestNoProxyForAddresses(t *testing.T) {
	server := sees(t)
	asked := 0
	proxy := func(*http.Request) (*url.URL, error) { asked++; return nil, nil }
	report := run(t, server, "checks: [{name: it, request: GET /}]", Options{URL: "http://shop.invalid", Address: strings.TrimPrefix(server.URL, "http://"), Proxy: proxy})
	if asked != 0 || report.Results[0].Answer != result.Holds {
		t.Errorf("the proxy was asked %d times: %+v", asked, report.Results[0])
	}
}

func TestCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte(r.TLS.ServerName)) }))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(server.URL, "https://")
	end := server.Certificate().NotAfter
	tests := []struct {
		name, expect string
		options      Options
		want         result.Answer
		text         string
	}{
		{"name by host", `{body: [{equals: example.com}], certificate: {validDays: 30, names: [example.com, 127.0.0.1], issuer: {contains: O=Acme Co}}}`, Options{Host: "example.com", CAFile: ca}, result.Holds, ""},
		{"not trusted", `{status: 200}`, Options{Host: "example.com"}, result.Fails, "the certificate is not trusted"},
		{"not for this name", `{status: 200}`, Options{Host: "shop.invalid", CAFile: ca}, result.Fails, "it is not for shop.invalid, only for example.com"},
		{"anything goes", `{certificate: {names: [example.com]}}`, Options{Host: "shop.invalid", Insecure: true}, result.Holds, ""},
		{"anything goes but conditions", `{certificate: {names: [shop.invalid]}}`, Options{Host: "shop.invalid", Insecure: true}, result.Fails, "certificate for example.com"},
		{"near its end", `{certificate: {validDays: 14}}`, Options{Insecure: true, Now: func() time.Time { return end.Add(-13*24*time.Hour - time.Hour) }}, result.Fails, "valid for 13 days"},
		{"expired", `{certificate: {validDays: 1}}`, Options{Insecure: true, Now: func() time.Time { return end.Add(time.Hour) }}, result.Fails, "valid for -1 days"},
		{"expired and verified", `{status: 200}`, Options{Host: "example.com", CAFile: ca, Now: func() time.Time { return end.Add(time.Hour) }}, result.Fails, "expired"},
		{"another issuer", `{certificate: {issuer: {contains: Encrypt}}}`, Options{Insecure: true}, result.Fails, "O=Acme Co"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.URL, tt.options.ReadFile = "https://"+address, os.ReadFile
			got := run(t, server, "checks: [{name: it, request: GET /, expect: "+tt.expect+"}]", tt.options).Results[0]
			if got.Answer != tt.want || !strings.Contains(got.Actual+got.Reason, tt.text) {
				t.Errorf("%v, want %v with %q: %s\n%s", got.Answer, tt.want, tt.text, got.Actual, got.Reason)
			}
		})
	}
}

func TestAddressesThatAreNone(t *testing.T) {
	doc := parse(t, "checks: [{name: it, request: GET /}]")
	for _, options := range []Options{
		{},
		{URL: "shop.example"},
		{URL: "ftp://shop.example"},
		{URL: "http://"},
		{URL: "http://[::1"},
		{Host: "shop.example"},
		{URL: "http://10.0.0.1", Host: "shop example/"},
		{URL: "http://10.0.0.1", CAFile: "/none", ReadFile: os.ReadFile},
		{URL: "http://10.0.0.1", CAFile: "/etc/hostname"},
	} {
		if _, err := NewRunner(doc, options); err == nil {
			t.Errorf("%+v is taken", options)
		}
	}
}
