package containerize

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// tlsPort is where a server listens that only spoke TLS before: TLS ends in
// front of the pod.
const tlsPort = "8443"

// change is one thing that was adapted in a file, for people.
type change struct{ File, What string }

// statement is a directive of an nginx configuration that ends in ";" or opens
// a block, with its place in the text.
type statement struct {
	start, end int
	words      []string
	// block says that it ends in "{".
	block bool
}

// statements finds the directives of a configuration, nested ones too, in
// order. Comments and quotes are honoured; a text that breaks off gives what
// came before.
func statements(text string) []statement {
	var all []statement
	current := statement{start: -1}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '#':
			for i < len(text) && text[i] != '\n' {
				i++
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c == ';' || c == '{':
			current.end, current.block = i+1, c == '{'
			if current.start >= 0 {
				all = append(all, current)
			}
			current = statement{start: -1}
			i++
		case c == '}':
			all = append(all, statement{start: i, end: i + 1, words: []string{"}"}})
			current = statement{start: -1}
			i++
		default:
			end := wordEnd(text, i)
			if current.start < 0 {
				current.start = i
			}
			current.words = append(current.words, strings.Trim(text[i:end], `"'`))
			i = end
		}
	}
	return all
}

func wordEnd(text string, i int) int {
	if quote := text[i]; quote == '"' || quote == '\'' {
		for j := i + 1; j < len(text); j++ {
			switch text[j] {
			case '\\':
				j++
			case quote:
				return j + 1
			}
		}
		return len(text)
	}
	for j := i; j < len(text); j++ {
		switch text[j] {
		case '\\':
			j++
		case '$':
			if j+1 < len(text) && text[j+1] == '{' { // ${name}
				for j < len(text) && text[j] != '}' {
					j++
				}
			}
		case ' ', '\t', '\n', '\r', ';', '{', '}':
			return max(j, i+1)
		}
	}
	return len(text)
}

// adaptNginx changes what holds on a server and not in a container: nginx is
// not root, logs go to the container's output, TLS ends in front of the pod.
func adaptNginx(file, text string) (string, []change) {
	var changes []change
	var out strings.Builder
	last := 0
	all := statements(text)
	for i, s := range all {
		with, why := adaptDirective(s, func() bool { return alsoListensPlain(all, i) })
		if why == "" {
			continue
		}
		changes = append(changes, change{file, strings.Join(s.words, " ") + ": " + why})
		out.WriteString(text[last:s.start])
		if with == "" && endsLine(text[s.end:]) {
			with = "# " + strings.ReplaceAll(text[s.start:s.end], "\n", "\n# ")
		}
		out.WriteString(with)
		last = s.end
	}
	out.WriteString(text[last:])
	return out.String(), changes
}

// endsLine says that nothing but a comment follows on the line, so that what is
// before may become one.
func endsLine(rest string) bool {
	line, _, _ := strings.Cut(rest, "\n")
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// adaptDirective gives what stands in for a directive, or nothing to leave it
// out, and why; no reason means that it stays.
func adaptDirective(s statement, listensPlain func() bool) (with, why string) {
	if s.block || len(s.words) < 2 {
		return "", ""
	}
	switch name, args := s.words[0], s.words[1:]; name {
	case "user":
		return "", "the container's user does it all"
	case "daemon":
		return "", "given on the command line"
	case "pid":
		return "pid /tmp/nginx.pid;", "the user may write there"
	case "error_log":
		if strings.HasPrefix(args[0], "syslog:") || args[0] == "/dev/null" {
			return "", ""
		}
		return strings.Join(slices.Concat([]string{"error_log", "/dev/stderr"}, args[1:]), " ") + ";", "to the container's output"
	case "access_log":
		if args[0] == "off" || strings.HasPrefix(args[0], "syslog:") {
			return "", ""
		}
		return "access_log " + strings.Join(append([]string{"/dev/stdout"}, formatOnly(args[1:])...), " ") + ";", "to the container's output"
	case "ssl", "ssl_certificate", "ssl_certificate_key", "ssl_trusted_certificate", "ssl_client_certificate", "ssl_dhparam", "ssl_stapling", "ssl_stapling_verify", "ssl_password_file":
		return "", "TLS ends in front of the pod"
	case "listen":
		return adaptListen(args, listensPlain)
	}
	return "", ""
}

// formatOnly keeps the format's name of an access_log: buffers would hold lines
// back.
func formatOnly(args []string) []string {
	return slices.DeleteFunc(slices.Clone(args), func(arg string) bool {
		return strings.HasPrefix(arg, "buffer=") || strings.HasPrefix(arg, "flush=") || strings.HasPrefix(arg, "gzip")
	})
}

func adaptListen(args []string, listensPlain func() bool) (with, why string) {
	if !slices.Contains(args, "ssl") && !slices.Contains(args, "quic") {
		return "", ""
	}
	if listensPlain() {
		return "", "TLS ends in front of the pod, and this server speaks plain HTTP too"
	}
	kept := slices.DeleteFunc(slices.Clone(args[1:]), func(arg string) bool {
		return arg == "ssl" || arg == "http2" || arg == "quic" || arg == "reuseport"
	})
	return "listen " + strings.Join(append([]string{listenOn(args[0], tlsPort)}, kept...), " ") + ";", "TLS ends in front of the pod"
}

// listenOn puts another port into the address of a listen directive.
func listenOn(address, port string) string {
	if _, err := strconv.Atoi(address); err == nil {
		return port
	}
	if i := strings.LastIndexByte(address, ':'); i >= 0 && !strings.HasSuffix(address, "]") {
		return address[:i+1] + port
	}
	return address + ":" + port
}

// alsoListensPlain says whether the server around statement i listens without
// TLS as well.
func alsoListensPlain(all []statement, i int) bool {
	depth, start := 0, -1
	for j := i; j >= 0; j-- {
		switch {
		case all[j].words[0] == "}":
			depth++
		case all[j].block && depth > 0:
			depth--
		case all[j].block && all[j].words[0] == "server":
			start = j
		}
		if start >= 0 {
			break
		}
	}
	depth = 0
	for _, s := range all[start+1:] {
		switch {
		case s.words[0] == "}":
			depth--
		case s.block:
			depth++
		case depth == 0 && s.words[0] == "listen" && !slices.Contains(s.words, "ssl") && !slices.Contains(s.words, "quic"):
			return true
		}
		if depth < 0 {
			break
		}
	}
	return false
}

// ports are the TCP ports on which the servers of a configuration listen, in
// order.
func ports(text string) []int32 {
	var found []int32
	for _, s := range statements(text) {
		if s.block || len(s.words) < 2 || s.words[0] != "listen" || strings.HasPrefix(s.words[1], "unix:") {
			continue
		}
		port := s.words[1]
		if i := strings.LastIndexByte(port, ':'); i >= 0 && !strings.HasSuffix(port, "]") {
			port = port[i+1:]
		}
		n, err := strconv.ParseInt(port, 10, 32)
		if err != nil {
			n = 80 // an address alone
		}
		if n > 0 && n < 1<<16 && !slices.Contains(found, int32(n)) {
			found = append(found, int32(n))
		}
	}
	return found
}

// healthNames are what people call the page that only tells whether all is
// well.
var healthNames = []string{"healthz", "health", "healthcheck", "health_check", "ping", "status", "alive", "readyz", "livez", "hc"}

// healthPath finds a location that is made to be asked for health, or "".
func healthPath(text string) string {
	for _, s := range statements(text) {
		if !s.block || s.words[0] != "location" {
			continue
		}
		at := s.words[len(s.words)-1]
		base := strings.TrimSuffix(path.Base(at), path.Ext(at))
		if strings.HasPrefix(at, "/") && slices.Contains(healthNames, strings.ToLower(base)) && (len(s.words) == 2 || s.words[1] == "=" || s.words[1] == "^~") {
			return at
		}
	}
	return ""
}

// String is the change for people.
func (c change) String() string { return fmt.Sprintf("%s: %s", c.File, c.What) }
