package php

import "strings"

// INI is a file of settings, in PHP's format or php-fpm's.
type INI struct {
	Entries []Entry
}

// Entry is one line of an INI.
type Entry struct {
	// Section is the last [section] before it, or "".
	Section string
	Key     string
	// Value without quotes; constants and ${variables} stand as written.
	Value string
}

// ParseINI reads a file as parse_ini_file does in its raw mode, of which it
// knows what configuration uses: sections, comments, quotes. Lines that are
// none of these are passed over.
func ParseINI(content string) INI {
	var ini INI
	section := ""
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		if line[0] == '[' {
			if end := strings.LastIndexByte(line, ']'); end > 0 {
				section = strings.TrimSpace(line[1:end])
			}
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); !found || key == "" {
			continue
		}
		ini.Entries = append(ini.Entries, Entry{Section: section, Key: key, Value: iniValue(strings.TrimSpace(value))})
	}
	return ini
}

// iniValue cuts quotes and, behind them or outside, a comment.
func iniValue(value string) string {
	if value == "" {
		return ""
	}
	if quote := value[0]; quote == '"' || quote == '\'' {
		if end := strings.IndexByte(value[1:], quote); end >= 0 {
			return value[1 : 1+end]
		}
	}
	value, _, _ = strings.Cut(value, ";")
	return strings.TrimSpace(value)
}

// global says that a section of php.ini holds for all requests.
func (e Entry) global() bool {
	section := strings.ToUpper(e.Section)
	return !strings.HasPrefix(section, "PATH=") && !strings.HasPrefix(section, "HOST=")
}

// Settings gives the settings of a php.ini, the last of each name, without
// those for some paths or hosts only.
func (ini INI) Settings() map[string]string {
	settings := map[string]string{}
	for _, e := range ini.Entries {
		if e.global() && !isExtension(e.Key) {
			settings[e.Key] = e.Value
		}
	}
	return settings
}

// Extensions gives the names of the extensions that a php.ini loads.
func (ini INI) Extensions() []string {
	var names []string
	for _, e := range ini.Entries {
		if isExtension(e.Key) && e.Value != "" {
			name := e.Value[strings.LastIndexByte(e.Value, '/')+1:]
			names = append(names, strings.TrimPrefix(strings.TrimSuffix(name, ".so"), "php_"))
		}
	}
	return names
}

func isExtension(key string) bool { return key == "extension" || key == "zend_extension" }
