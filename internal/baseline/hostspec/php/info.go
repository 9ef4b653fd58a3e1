// Package php reads what PHP says about itself and its configuration: the text
// of phpinfo, JSON from the command line, the dump of php-fpm's pools, and ini
// files. It does no I/O.
//
// Start at ParseInfo and ParseReport for what a binary says, at ParseINI for
// files.
package php

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Runtime is one binary of PHP as it starts with its configuration.
type Runtime struct {
	// SAPI is cli, fpm, apache2…
	SAPI string
	// Version in full, such as "8.2.32".
	Version string
	// Files of configuration that it read.
	Files []string
	// Settings: the value of every ini setting by name. The command line gives
	// them as ini_get does ("1" and ""), phpinfo as On and Off.
	Settings map[string]string
	// Extensions: versions by name; an empty version is not known.
	Extensions map[string]string
}

// Series is the version's first two numbers, which Debian has in its paths.
func (r Runtime) Series() string { return series(r.Version) }

func series(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}

const (
	settingsHead = "Directive => Local Value => Master Value"
	noValue      = "no value"
)

// ParseInfo reads the text of phpinfo as `php-fpm -i` prints it. Its tables of
// variables, which hold the environment, are passed over.
func ParseInfo(text string) (Runtime, error) {
	p := infoParser{Runtime: Runtime{Settings: map[string]string{}, Extensions: map[string]string{}}}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		if line == "Environment" || line == "PHP Variables" {
			break
		}
		alone := i > 0 && i+1 < len(lines) && lines[i-1] == "" && lines[i+1] == ""
		p.line(line, alone)
	}
	if p.Version == "" {
		return p.Runtime, fmt.Errorf("reading phpinfo: no version in it")
	}
	return p.Runtime, nil
}

type infoParser struct {
	Runtime
	// section is the extension that is told of, or one of the words below.
	section  string
	settings bool // the lines are a table of settings
}

// Headings of phpinfo that are no extensions.
const (
	headConfiguration = "Configuration"
	headAdditional    = "Additional Modules"
	headModuleName    = "Module Name"
)

// line takes a line; one that stands alone between empty ones is a heading.
func (p *infoParser) line(line string, alone bool) {
	key, value, pair := strings.Cut(line, " => ")
	switch {
	case line == "":
		p.settings = false
	case line == settingsHead:
		p.settings = true
	case p.settings && pair:
		p.Settings[key] = masterValue(value)
	case pair:
		p.fact(key, value)
	case line == headConfiguration || line == headAdditional || line == headModuleName:
		p.section = line
	case p.section == headModuleName, alone && p.section != "" && isName(line):
		p.extension(line)
	case p.section == "" && len(p.Files) > 0 && strings.HasPrefix(line, "/"):
		p.addFiles(line)
	}
}

// extension notes that an extension is loaded; those without anything to tell
// stand in a list at the end.
func (p *infoParser) extension(name string) {
	if p.section != headModuleName {
		p.section = name
	}
	if _, known := p.Extensions[name]; !known {
		p.Extensions[name] = ""
	}
}

// masterValue gives the last of "local => master", which are equal in a process
// that serves no request. A value may hold the arrow itself.
func masterValue(both string) string {
	const arrow = " => "
	value := both
	if half := (len(both) - len(arrow)) / 2; half >= 0 && both[:half] == both[len(both)-half:] {
		value = both[:half]
	} else if _, master, found := strings.Cut(both, arrow); found {
		value = master
	}
	if value == noValue {
		return ""
	}
	return value
}

func isName(line string) bool { return len(line) < 40 && line[0] != ' ' && line[0] != '_' }

var versionFact = regexp.MustCompile(`(?i)^(?:[\w .-]*\b)?version$`)

func (p *infoParser) fact(key, value string) {
	switch {
	case p.section == "":
		switch key {
		case "PHP Version":
			p.Version = value
		case "Server API":
			p.SAPI = sapi(value)
		case "Loaded Configuration File", "Additional .ini files parsed":
			p.addFiles(value)
		}
	case versionFact.MatchString(key) && strings.Contains(strings.ToLower(key), strings.ToLower(p.section)):
		if version, loaded := p.Extensions[p.section]; loaded && version == "" {
			p.Extensions[p.section] = value
		}
	}
}

func sapi(serverAPI string) string {
	switch {
	case strings.HasPrefix(serverAPI, "FPM"):
		return "fpm"
	case strings.HasPrefix(serverAPI, "Command Line"):
		return "cli"
	case strings.HasPrefix(serverAPI, "Apache"):
		return "apache2"
	case strings.HasPrefix(serverAPI, "CGI"):
		return "cgi"
	}
	return strings.ToLower(serverAPI)
}

// addFiles takes a list as PHP prints it: with commas at line ends.
func (r *Runtime) addFiles(list string) {
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); strings.HasPrefix(name, "/") {
			r.Files = append(r.Files, name)
		}
	}
}

// ReportScript is PHP code, to be run by `php -r`, that prints what ParseReport
// reads, on one line. It works from PHP 5.4 on, without any extension but json.
const ReportScript = `$e=array();foreach(array_merge(get_loaded_extensions(),get_loaded_extensions(true)) as $n){$v=phpversion($n);$e[$n]=$v===false?"":$v;}` +
	`$s=array();foreach(ini_get_all(null,true) as $k=>$v){$s[$k]=(string)$v["global_value"];}` +
	`echo json_encode(array("sapi"=>PHP_SAPI,"version"=>PHP_VERSION,` +
	`"files"=>php_ini_loaded_file().",".php_ini_scanned_files(),"settings"=>$s,"extensions"=>$e),` +
	`defined("JSON_INVALID_UTF8_SUBSTITUTE")?JSON_INVALID_UTF8_SUBSTITUTE:0),"\n";`

// ParseReport reads one line that ReportScript printed.
func ParseReport(line []byte) (Runtime, error) {
	var report struct {
		SAPI, Version, Files string
		Settings, Extensions stringMap
	}
	if err := json.Unmarshal(line, &report); err != nil {
		return Runtime{}, fmt.Errorf("reading the report of PHP: %w", err)
	}
	if report.Version == "" {
		return Runtime{}, fmt.Errorf("reading the report of PHP: no version in it")
	}
	r := Runtime{SAPI: report.SAPI, Version: report.Version, Settings: report.Settings, Extensions: report.Extensions}
	r.addFiles(report.Files)
	return r, nil
}

// stringMap is an array of PHP: an empty one is a JSON list.
type stringMap map[string]string

func (m *stringMap) UnmarshalJSON(data []byte) error {
	*m = map[string]string{}
	if bytes.Equal(bytes.TrimSpace(data), []byte("[]")) {
		return nil
	}
	return json.Unmarshal(data, (*map[string]string)(m))
}
