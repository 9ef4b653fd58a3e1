package php

import (
	"regexp"
	"strings"
)

// Pool is a section of php-fpm's configuration; "global" is that of the master
// process.
type Pool struct {
	Name string
	// Settings by name, defaults included where php-fpm itself said them.
	// php_admin_flag and php_flag count as php_admin_value and php_value, as in
	// php-fpm's own dump.
	Settings map[string]string
}

// undefined is what the dump has for settings without a value.
const undefined = "undefined"

var dumpLine = regexp.MustCompile(`^\[[^\]]*\] NOTICE: \s*(.*)$`)

// ParsePools reads what `php-fpm -tt` writes to stderr. Settings that are not
// set and have no default are left out.
func ParsePools(dump string) []Pool {
	var pools []Pool
	for line := range strings.Lines(dump) {
		match := dumpLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if match == nil {
			continue
		}
		text := match[1]
		if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
			pools = append(pools, Pool{Name: text[1 : len(text)-1], Settings: map[string]string{}})
			continue
		}
		key, value, found := strings.Cut(text, " = ")
		if found && len(pools) > 0 && value != undefined {
			pools[len(pools)-1].Settings[key] = value
		}
	}
	return pools
}

// Pools reads pools from php-fpm's configuration files, in the order in which
// php-fpm reads them: what is explicit, without defaults.
func Pools(files ...INI) []Pool {
	var pools []Pool
	index := map[string]int{}
	for _, file := range files {
		for _, e := range file.Entries {
			if e.Key == "include" || e.Section == "" {
				continue
			}
			i, known := index[e.Section]
			if !known {
				i = len(pools)
				index[e.Section] = i
				pools = append(pools, Pool{Name: e.Section, Settings: map[string]string{}})
			}
			key, value := dumped(e, pools[i].Name)
			pools[i].Settings[key] = value
		}
	}
	return pools
}

// dumped gives an entry as php-fpm dumps it.
func dumped(e Entry, pool string) (key, value string) {
	value = strings.ReplaceAll(e.Value, "$pool", pool)
	for _, flag := range []string{"php_flag[", "php_admin_flag["} {
		if strings.HasPrefix(e.Key, flag) {
			return strings.Replace(e.Key, "flag[", "value[", 1), flagValue(value)
		}
	}
	return e.Key, value
}

func flagValue(value string) string {
	switch strings.ToLower(value) {
	case "1", "on", "yes", "true":
		return "1"
	}
	return "0"
}
