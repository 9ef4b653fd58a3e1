package hostspec

import (
	"regexp"
	"slices"
)

// Kinds that Landfall captures, in the order of documents. A document may hold
// others: they come last. docs/spec/v1alpha1/hostspec.md says more of names and
// attributes.
const (
	OS              Kind = "os"               // id, name, version, codename, release, kernel, arch: value
	System          Kind = "system"           // hostname, timezone, locale variables, resolver: value
	HostEntry       Kind = "host-entry"       // by address: names
	Package         Kind = "package"          // by name: version, arch, manager, origin, manual, hold
	Repository      Kind = "repository"       // by "URI suite": components, signedBy, file
	LanguagePackage Kind = "language-package" // by "manager folder name": version
	Service         Kind = "service"          // by name: enabled, masked, running, failed, manager, command, user, dropIns
	Timer           Kind = "timer"            // by name: schedule, unit, enabled
	Cron            Kind = "cron"             // by "user command": schedule, file
	Process         Kind = "process"          // by "user executable": command
	Socket          Kind = "socket"           // by "tcp 0.0.0.0:80": process, user
	User            Kind = "user"             // by name: uid, gid, home, shell, groups, password
	Group           Kind = "group"            // by name: gid, members
	Sudo            Kind = "sudo"             // by rule: file
	SSHKey          Kind = "ssh-key"          // by "user fingerprint": type, options, comment
	GitConfig       Kind = "git-config"       // by "user key": value
	Sysctl          Kind = "sysctl"           // by key: value, declared
	KernelModule    Kind = "kernel-module"    // by name: loaded, declared
	Limit           Kind = "limit"            // by "domain type item": value
	Mount           Kind = "mount"            // by mount point: source, type, options, declared, mounted
	Swap            Kind = "swap"             // by device: size, active, declared
	Environment     Kind = "environment"      // by "scope NAME", scope a service, "unit UNIT", "cron FILE", "image" or "global": value
	File            Kind = "file"             // by path: state, type, mode, owner, group, size, sha256, target, capabilities, package, entries
	Command         Kind = "command"          // by name: path or found, package, calledBy
	Firewall        Kind = "firewall"         // by "table chain position": rule
	Certificate     Kind = "certificate"      // by path: subject, names, issuer, expires, key, selfSigned, chain, usedBy
	NginxServer     Kind = "nginx-server"     // by "name:port": listen, names, defaultFor, protocol, order, file
	NginxLocation   Kind = "nginx-location"   // by "server modifier path": server, inside, modifier, path, order, actions
	NginxUpstream   Kind = "nginx-upstream"   // by name: servers
	NginxSetting    Kind = "nginx-setting"    // by "context directive": value, default
	NginxModule     Kind = "nginx-module"     // by name: kind, file
	PHPSetting      Kind = "php-setting"      // by "sapi-series key" ("fpm-8.2 memory_limit"): value, default
	PHPExtension    Kind = "php-extension"    // by "sapi-series name": version
	PHPPool         Kind = "php-pool"         // by "sapi-series pool key": value, default
	Postfix         Kind = "postfix"          // by parameter or "master service/type": value, default, maps
	SSHD            Kind = "sshd"             // by keyword or "match condition": value, default
	MySQLClient     Kind = "mysql-client"     // by "group option" or "file group option": value
	RedisClient     Kind = "redis-client"     // by "file key": value
	Logrotate       Kind = "logrotate"        // by path pattern: schedule, rotate, compress and so on, file
	NTP             Kind = "ntp"              // by "daemon key": value
)

// Kinds in the order of documents.
var Kinds = []Kind{
	OS, System, HostEntry, Package, Repository, LanguagePackage, Service, Timer, Cron, Process, Socket,
	User, Group, Sudo, SSHKey, GitConfig, Sysctl, KernelModule, Limit, Mount, Swap, Environment,
	File, Command, Firewall, Certificate,
	NginxServer, NginxLocation, NginxUpstream, NginxSetting, NginxModule,
	PHPSetting, PHPExtension, PHPPool, Postfix, SSHD, MySQLClient, RedisClient, Logrotate, NTP,
}

var ranks = func() map[Kind]int {
	ranks := make(map[Kind]int, len(Kinds))
	for i, kind := range Kinds {
		ranks[kind] = i
	}
	return ranks
}()

// unordered are attributes whose lists have no order: a person may write them
// in any.
var unordered = map[Kind][]string{
	HostEntry:   {ValueAttribute, "names"},
	Repository:  {"components"},
	Service:     {"dropIns"},
	User:        {"groups"},
	Group:       {"members"},
	SSHKey:      {"options"},
	Mount:       {"options"},
	Command:     {"calledBy"},
	Certificate: {"names"},
}

// Unordered says that the order of an attribute's list means nothing.
func Unordered(kind Kind, attribute string) bool {
	return slices.Contains(unordered[kind], attribute)
}

// Known says that Landfall captures the kind.
func (k Kind) Known() bool { _, known := ranks[k]; return known }

// valid refuses kinds that could not be told from a name in "kind/name".
func (k Kind) valid() bool { return kindForm.MatchString(string(k)) }

var kindForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func rank(kind Kind) int {
	if r, known := ranks[kind]; known {
		return r
	}
	return len(Kinds)
}
