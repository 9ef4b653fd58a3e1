package datacopy

import (
	"net"
	"net/url"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
)

// Address says where a store is and how to get in. It holds a secret: its
// texts (String, GoString, JSON) show none. The zero Address is no address.
type Address struct {
	kind     Kind
	url      *url.URL
	name     string
	prefix   string
	endpoint string
}

// forms is shown to who wrote an address that is none.
const forms = "Write mysql://USER:PASSWORD@HOST:PORT/DATABASE, redis://USER:PASSWORD@HOST:PORT/0 (rediss:// encrypts), s3://KEY:SECRET@HOST:PORT/BUCKET or s3://BUCKET/PREFIX?region=REGION."

var ports = map[Kind]string{MySQL: "3306", Redis: "6379"}

// ParseAddress reads an address in one of the forms
//
//	mysql://USER:PASSWORD@HOST:PORT/DATABASE   (mariadb:// too)
//	redis://USER:PASSWORD@HOST:PORT/DATABASE   (rediss:// with TLS)
//	s3://KEY:SECRET@HOST:PORT/BUCKET/PREFIX    (an endpoint of one's own)
//	s3://BUCKET/PREFIX?endpoint=URL&region=…   (credentials as aws finds them, or KEY:SECRET@)
//
// Errors are of class fault.Invalid and repeat nothing of the text, which may
// hold a password.
func ParseAddress(text string) (Address, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return Address{}, invalid("it is not a URL (special characters in passwords are written %%XX)")
	}
	a := Address{url: u}
	switch strings.ToLower(u.Scheme) {
	case "mysql", "mariadb":
		a.kind = MySQL
	case "redis", "rediss":
		a.kind = Redis
	case "s3":
		a.kind = S3
	case "":
		return Address{}, invalid("it has no scheme")
	default:
		return Address{}, invalid("its scheme is unknown")
	}
	if u.Hostname() == "" {
		return Address{}, invalid("it names no host")
	}
	if _, err := url.ParseQuery(u.RawQuery); err != nil {
		return Address{}, invalid("its parameters cannot be read")
	}
	if strings.ContainsAny(u.Hostname(), "%\x00 /") {
		return Address{}, invalid("its host is no name")
	}
	return a.parts()
}

// parts finds database, bucket, prefix and endpoint.
func (a Address) parts() (Address, error) {
	path := strings.TrimPrefix(a.url.Path, "/")
	if a.kind != S3 {
		if a.kind == MySQL && path == "" {
			return Address{}, invalid("it names no database")
		}
		if a.kind == MySQL && strings.ContainsRune(path, 0) {
			return Address{}, invalid("its database is no name")
		}
		a.name, a.prefix = path, a.Param("prefix")
		return a, nil
	}
	endpoint := a.Param("endpoint")
	if endpoint != "" || (a.url.User == nil && a.url.Port() == "") {
		a.name, a.prefix, a.endpoint = a.url.Hostname(), path, endpoint
		return a, nil
	}
	a.name, a.prefix, _ = strings.Cut(path, "/")
	if a.name == "" {
		return Address{}, invalid("it names no bucket")
	}
	scheme := "https://"
	if tls := a.Param("tls"); tls == "false" {
		scheme = "http://"
	}
	a.endpoint = scheme + a.url.Host
	return a, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, forms, "reading the address of a store: "+format, args...)
}

// Kind is the kind of store; "" of the zero Address.
func (a Address) Kind() Kind { return a.kind }

// TLS says that the scheme asks for it (rediss).
func (a Address) TLS() bool { return a.url != nil && strings.EqualFold(a.url.Scheme, "rediss") }

// Host is HOST:PORT of MySQL and Redis, with the usual port when none is
// given.
func (a Address) Host() string {
	if a.url == nil || a.kind == S3 {
		return ""
	}
	port := a.url.Port()
	if port == "" {
		port = ports[a.kind]
	}
	return net.JoinHostPort(a.url.Hostname(), port)
}

// Endpoint is the URL of an S3 server, "" for AWS.
func (a Address) Endpoint() string { return a.endpoint }

// User and Password are the credentials, "" when there are none.
func (a Address) User() string {
	if a.url == nil {
		return ""
	}
	return a.url.User.Username()
}

// Password is a secret: it goes to the server and nowhere else.
func (a Address) Password() string {
	if a.url == nil {
		return ""
	}
	password, _ := a.url.User.Password()
	return password
}

// Name is the database of MySQL, the number of Redis's ("" when not given),
// the bucket of S3.
func (a Address) Name() string { return a.name }

// Prefix is that of keys or objects, "" for all.
func (a Address) Prefix() string { return a.prefix }

// Param gives a parameter, "" when it is absent.
func (a Address) Param(name string) string {
	if a.url == nil {
		return ""
	}
	return a.url.Query().Get(name)
}

// String is the address without password, and without parameters but those that
// say which data is meant.
func (a Address) String() string {
	if a.url == nil {
		return ""
	}
	shown := url.URL{Scheme: strings.ToLower(a.url.Scheme), Host: a.url.Host, Path: a.url.Path}
	if user := a.User(); user != "" && a.kind != S3 {
		shown.User = url.User(user)
	}
	if a.kind == S3 && a.Param("endpoint") != "" {
		if endpoint, err := url.Parse(a.endpoint); err == nil {
			shown.RawQuery = url.Values{"endpoint": {endpoint.Scheme + "://" + endpoint.Host}}.Encode()
		}
	}
	if a.kind == Redis && a.prefix != "" {
		shown.RawQuery = url.Values{"prefix": {a.prefix}}.Encode()
	}
	return shown.String()
}

// GoString is String, so that %#v hides the secret too.
func (a Address) GoString() string { return a.String() }

// MarshalText is String: an address that was written down cannot be used.
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Same says that both are the same store on the same server, as far as the
// addresses tell.
func (a Address) Same(b Address) bool {
	return a.kind == b.kind && a.Host() == b.Host() && a.endpoint == b.endpoint && a.name == b.name && a.prefix == b.prefix
}
