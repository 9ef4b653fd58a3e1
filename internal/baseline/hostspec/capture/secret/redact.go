package secret

import (
	"regexp"
	"strings"
)

// places where command lines, settings and cron entries carry secrets; the
// group named "secret" is hidden.
var places = []*regexp.Regexp{
	// user:password@ in URLs
	regexp.MustCompile(`[A-Za-z][\w+.-]*://[^\s/:@]*:(?P<secret>[^\s/@]+)@`),
	// Authorization headers
	regexp.MustCompile(`(?i)\b(?:bearer|basic)\s+(?P<secret>[\w+/=.~-]{8,})`),
	// ?auth=SECRET and ?auth[]=SECRET in the addresses of phpredis
	regexp.MustCompile(`[?&]auth(?:\[\w*\])?=(?P<secret>[^\s&"']+)`),
	// curl -u user:password
	regexp.MustCompile(`(?:^|\s)(?:-u|--user)[ =]?["']?[\w.@-]+:(?P<secret>[^\s"']+)`),
	// mysql -pSECRET, redis-cli -a SECRET
	regexp.MustCompile(`\b(?:mysql\w*|mariadb\w*)\s(?:[^|;&]*\s)?-p["']?(?P<secret>[^\s"'-][^\s"']*)`),
	regexp.MustCompile(`\bredis-cli\s(?:[^|;&]*\s)?-a\s+["']?(?P<secret>[^\s"']+)`),
	shapes,
}

// named finds NAME=, --name=, --name and "name": , behind which a value stands.
var named = regexp.MustCompile(`(--?)?([A-Za-z][\w.-]*)("?\s*[=:]\s*["']?|\s+["']?)`)

// maxText bounds what is looked through, in bytes. A longer text is hidden as a
// whole: whoever made it that long, the time to read it is bounded.
const maxText = 16 << 10

// Redact replaces the parts of a text that look secret by what hide makes of
// them, in angle brackets: "mysql -p<secret 3f…>". A text without any comes
// back as it is; one of more than 16 KiB is hidden as a whole.
func Redact(text string, hide func(part string) string) string {
	replace := func(part string) string { return "<" + hide(part) + ">" }
	if !strings.ContainsAny(text, " \t\n=:") { // one word: most settings are
		if Shaped(text) {
			return replaceGroup(shapes, text, 0, replace)
		}
		return text
	}
	if len(text) > maxText {
		return replace(text)
	}
	for _, place := range places {
		text = replaceGroup(place, text, max(place.SubexpIndex("secret"), 0), replace)
	}
	return redactNamed(text, replace)
}

func replaceGroup(pattern *regexp.Regexp, text string, group int, replace func(string) string) string {
	var out strings.Builder
	last := 0
	for _, match := range pattern.FindAllStringSubmatchIndex(text, -1) {
		start, end := match[2*group], match[2*group+1]
		if start < last || strings.HasPrefix(text[start:end], "<secret ") {
			continue
		}
		out.WriteString(text[last:start])
		out.WriteString(replace(text[start:end]))
		last = end
	}
	return out.String() + text[last:]
}

// redactNamed looks at each name in turn; a value after a space counts only
// behind an option.
func redactNamed(text string, replace func(string) string) string {
	var out strings.Builder
	last := 0
	for _, match := range named.FindAllStringSubmatchIndex(text, -1) {
		start := match[1]
		name, between, option := text[match[4]:match[5]], text[match[6]:match[7]], match[2] >= 0
		if match[0] < last || !option && !strings.ContainsAny(between, "=:") {
			continue
		}
		if value := secretValue(name, text[start:]); value != "" {
			out.WriteString(text[last:start])
			out.WriteString(replace(value))
			last = start + len(value)
		}
	}
	return out.String() + text[last:]
}

// secretValue is what stands before the next separator, if it is a secret by
// the name before it or by looking random; shapes were looked for already. What
// is an option, or hidden before, is no value.
func secretValue(name, text string) string {
	isNamed := Named(name)
	if !isNamed {
		text = text[:min(len(text), maxRandom+1)]
	}
	if end := strings.IndexAny(text, " \t\r\n\v\f\"';&|,"); end >= 0 {
		text = text[:end]
	}
	switch {
	case strings.HasPrefix(text, "<") || strings.HasPrefix(text, "-"):
		return ""
	case isNamed && Looks(name, text), !isNamed && random(text):
		return text
	}
	return ""
}
