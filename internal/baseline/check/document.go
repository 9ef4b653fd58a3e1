// Package check asks a running site by HTTP whether it behaves as a document of
// checks says: requests with expectations, and values that one answer gives to
// the next request. It needs no cluster and no files but the document.
//
// Start at Document, which Parse reads, and at Runner, which runs it as often
// as wanted. Record drafts a document from a running site.
package check

// Version of the document's format.
const Version = "landfall.dev/checks/v1"

// Document is a file of checks. ${name} stands for a variable, a secret or a
// captured value wherever the comment of a field says so; $${ stands for ${.
type Document struct {
	Version string `json:"version" yaml:"version"`
	// Name is what the document is called in reports.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`
	// URL is what paths of requests are added to: scheme, host, and optionally
	// port and path. ${variables} only.
	URL string `json:"url,omitempty" yaml:"url,omitempty"`
	// Host is the name asked for where URL holds an address: it goes into the
	// Host header and into TLS, and certificates are checked against it.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`
	// Addresses says where hosts are reached, without asking DNS: host or
	// host:port to address or address:port.
	Addresses map[string]string `json:"addresses,omitempty" yaml:"addresses,omitempty"`
	// AllowHosts are the other hosts (or host:port) that redirects and captured
	// URLs may lead to.
	AllowHosts []string `json:"allowHosts,omitempty" yaml:"allowHosts,omitempty"`
	// Variables by name.
	Variables map[string]string `json:"variables,omitempty" yaml:"variables,omitempty"`
	// Secrets by name. Their values are never printed.
	Secrets map[string]Secret `json:"secrets,omitempty" yaml:"secrets,omitempty"`
	TLS     TLS               `json:"tls,omitzero" yaml:"tls,omitempty"`
	// Defaults hold for every step that says nothing else.
	Defaults Defaults `json:"defaults,omitzero" yaml:"defaults,omitempty"`
	Checks   []Check  `json:"checks" yaml:"checks"`
}

// Secret says where a secret is read from: exactly one of the fields.
type Secret struct {
	// Env is the name of an environment variable.
	Env string `json:"env,omitempty" yaml:"env,omitempty"`
	// File is a path; a new line at the end of its content is left out.
	File string `json:"file,omitempty" yaml:"file,omitempty"`
}

// TLS says which certificates are trusted.
type TLS struct {
	// CAFile is a PEM file of authorities that are trusted besides the system's.
	CAFile string `json:"caFile,omitempty" yaml:"caFile,omitempty"`
	// Insecure trusts any certificate, for any name. Conditions on certificates
	// are still checked.
	Insecure bool `json:"insecure,omitempty" yaml:"insecure,omitempty"`
}

// Defaults of steps.
type Defaults struct {
	// Headers of every request. ${} is replaced.
	Headers map[string]string `json:"headers,omitempty" yaml:"headers,omitempty"`
	// Timeout of one attempt; 10s.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	Retry   *Retry   `json:"retry,omitempty" yaml:"retry,omitempty"`
	// MaxBody is how much of a body is read, unpacked; 1MiB.
	MaxBody Size `json:"maxBody,omitempty" yaml:"maxBody,omitempty"`
}

// Retry asks again while a step does not hold.
type Retry struct {
	// Attempts in all, the first included; at most 100.
	Attempts int `json:"attempts" yaml:"attempts"`
	// Wait before the second attempt, 500ms by default; it doubles for each
	// further one up to MaxWait, 30s by default.
	Wait    Duration `json:"wait,omitempty" yaml:"wait,omitempty"`
	MaxWait Duration `json:"maxWait,omitempty" yaml:"maxWait,omitempty"`
}

// Check is one visit of the site with cookies of its own: one request, or
// steps that follow each other. A step that does not hold ends it.
type Check struct {
	// Name is unique within the document.
	Name   string `json:"name" yaml:"name"`
	Action `json:",inline" yaml:",inline"`
	// Steps instead of one request.
	Steps []Step `json:"steps,omitempty" yaml:"steps,omitempty"`
}

// Step is one request of several.
type Step struct {
	// Name is unique within the check.
	Name   string `json:"name" yaml:"name"`
	Action `json:",inline" yaml:",inline"`
}

// Action is a request and what is expected of its answer.
type Action struct {
	Request Request `json:"request,omitzero" yaml:"request,omitempty"`
	Expect  Expect  `json:"expect,omitzero" yaml:"expect,omitempty"`
	// Capture keeps values of the answer, by name, for later steps.
	Capture map[string]Capture `json:"capture,omitempty" yaml:"capture,omitempty"`
	Retry   *Retry             `json:"retry,omitempty" yaml:"retry,omitempty"`
	Timeout Duration           `json:"timeout,omitempty" yaml:"timeout,omitempty"`
	MaxBody Size               `json:"maxBody,omitempty" yaml:"maxBody,omitempty"`
}

// Request is what is asked. In all texts ${} is replaced. In YAML it may be
// written short: GET /path.
type Request struct {
	// Method is GET by default, POST with a body.
	Method string `json:"method,omitempty" yaml:"method,omitempty"`
	// Path is added to the document's URL; it may hold a query. Or URL is the
	// whole address.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`
	URL  string `json:"url,omitempty" yaml:"url,omitempty"`
	// Query is added to the address, encoded.
	Query   map[string]string `json:"query,omitempty" yaml:"query,omitempty"`
	Headers map[string]string `json:"headers,omitempty" yaml:"headers,omitempty"`
	// At most one of Body, Form and JSON. Files are sent with Form's fields, as
	// multipart/form-data, by the name of the field.
	Body  string            `json:"body,omitempty" yaml:"body,omitempty"`
	Form  map[string]string `json:"form,omitempty" yaml:"form,omitempty"`
	Files map[string]Upload `json:"files,omitempty" yaml:"files,omitempty"`
	JSON  any               `json:"json,omitempty" yaml:"json,omitempty"`
	// BasicAuth is HTTP basic authentication.
	BasicAuth *BasicAuth `json:"basicAuth,omitempty" yaml:"basicAuth,omitempty"`
	// Follow goes after redirects, ten at most.
	Follow bool `json:"follow,omitempty" yaml:"follow,omitempty"`
}

// Upload is a file that is sent.
type Upload struct {
	// Name of the file.
	Name string `json:"name" yaml:"name"`
	// Type is its media type; application/octet-stream by default.
	Type string `json:"type,omitempty" yaml:"type,omitempty"`
	// Content, in which ${} is replaced.
	Content string `json:"content,omitempty" yaml:"content,omitempty"`
}

// BasicAuth is a user with a password.
type BasicAuth struct {
	User     string `json:"user" yaml:"user"`
	Password string `json:"password" yaml:"password"`
}

// Expect is what an answer must be; all of it must hold.
type Expect struct {
	// Status, such as 200, 2xx, 200-204 or a list of these. By default 2xx, and
	// 3xx where a Redirect is expected that is not followed.
	Status Status `json:"status,omitempty" yaml:"status,omitempty"`
	// Headers by name.
	Headers map[string]Condition `json:"headers,omitempty" yaml:"headers,omitempty"`
	// Body holds any number of conditions.
	Body []BodyCondition `json:"body,omitempty" yaml:"body,omitempty"`
	// Redirect is where the answer leads to: a path of the same host, or a whole
	// address. With Follow it is the address of the last answer.
	Redirect *Condition `json:"redirect,omitempty" yaml:"redirect,omitempty"`
	// Certificate of the server. The request must be https.
	Certificate *Certificate `json:"certificate,omitempty" yaml:"certificate,omitempty"`
	Timing      *Timing      `json:"timing,omitempty" yaml:"timing,omitempty"`
}

// Condition on a text, or on several of which one must satisfy it. All fields
// that are set must hold; with none set the text must be there. In YAML a bare
// text is Equals. In Equals, Contains and OneOf ${} is replaced.
type Condition struct {
	Equals *string `json:"equals,omitempty" yaml:"equals,omitempty"`
	// Contains all of these parts.
	Contains Texts `json:"contains,omitempty" yaml:"contains,omitempty"`
	// Matches a regular expression (RE2).
	Matches string `json:"matches,omitempty" yaml:"matches,omitempty"`
	OneOf   Texts  `json:"oneOf,omitempty" yaml:"oneOf,omitempty"`
	// Number is a number in a range such as ">= 5, < 10".
	Number Range `json:"number,omitempty" yaml:"number,omitempty"`
	// Exists: it is there, or with false is not.
	Exists *bool `json:"exists,omitempty" yaml:"exists,omitempty"`
	// Not: this does not hold.
	Not *Condition `json:"not,omitempty" yaml:"not,omitempty"`
}

// Selector finds texts in a body. None of JSON and CSS means the whole body.
type Selector struct {
	// JSON is a JSONPath (RFC 9535).
	JSON string `json:"json,omitempty" yaml:"json,omitempty"`
	// CSS is a selector of elements; their text is taken, with white space
	// collapsed, or their Attribute.
	CSS       string `json:"css,omitempty" yaml:"css,omitempty"`
	Attribute string `json:"attribute,omitempty" yaml:"attribute,omitempty"`
}

// BodyCondition is a condition on a body or on what a selector finds in it.
type BodyCondition struct {
	Selector  `json:",inline" yaml:",inline"`
	Condition `json:",inline" yaml:",inline"`
	// Count is how many the selector must find: 3, or a range such as ">= 1".
	Count Range `json:"count,omitempty" yaml:"count,omitempty"`
}

// Certificate is what a server's certificate must be.
type Certificate struct {
	// ValidDays is for how many more days it must be valid.
	ValidDays int `json:"validDays,omitempty" yaml:"validDays,omitempty"`
	// Names that it must be valid for.
	Names []string `json:"names,omitempty" yaml:"names,omitempty"`
	// Issuer is the issuer's distinguished name.
	Issuer *Condition `json:"issuer,omitempty" yaml:"issuer,omitempty"`
}

// Timing bounds how long an answer may take, redirects included.
type Timing struct {
	// Total is until the body is read.
	Total Duration `json:"total,omitempty" yaml:"total,omitempty"`
	// FirstByte is until the first byte of the (last) answer.
	FirstByte Duration `json:"firstByte,omitempty" yaml:"firstByte,omitempty"`
}

// Capture says which value of an answer is kept: of Header, Cookie, JSON or CSS,
// or with Matches alone of the body. The first that is found is taken.
type Capture struct {
	Header   string `json:"header,omitempty" yaml:"header,omitempty"`
	Cookie   string `json:"cookie,omitempty" yaml:"cookie,omitempty"`
	Selector `json:",inline" yaml:",inline"`
	// Matches is a regular expression: what its first group matches is taken,
	// or without a group all that it matches.
	Matches string `json:"matches,omitempty" yaml:"matches,omitempty"`
	// Secret values are never printed.
	Secret bool `json:"secret,omitempty" yaml:"secret,omitempty"`
}
