package containerize

import (
	"regexp"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/triage"
)

// sessionStore is the store that keeps sessions.
const sessionStore = "cache"

// movesSessions says that somebody decided to keep PHP's sessions in a store,
// and that PHP can speak to Redis.
func movesSessions(spec *hostspec.Spec, report *triage.Report) bool {
	decided, able := false, false
	for _, f := range report.Of(triage.Store) {
		decided = decided || f.Rule == "php-sessions"
	}
	for _, item := range spec.Of(hostspec.PHPExtension) {
		able = able || strings.HasSuffix(item.Name, " redis")
	}
	return decided && able
}

// sessionSetting is a pool's own setting of where sessions are.
var sessionSetting = regexp.MustCompile(`^php_(?:admin_)?value\[session\.save_(?:handler|path)\]`)

// fpmVersion is that of a program such as /usr/sbin/php-fpm8.2.
var fpmVersion = regexp.MustCompile(`php-fpm([0-9.]+)$`)

// sessionFile makes PHP-FPM keep sessions in the store; PHP puts the variables
// in. The store's prefix keeps environments on one server apart.
func sessionFile(program string) (configFile, bool) {
	m := fpmVersion.FindStringSubmatch(program)
	if m == nil {
		return configFile{}, false
	}
	variables := strings.ToUpper(sessionStore)
	return configFile{
		Path: "/etc/php/" + m[1] + "/fpm/conf.d/99-sessions.ini",
		Content: "; Sessions are in the store " + sessionStore + ", as decided in triage.\n" +
			"session.save_handler = redis\n" +
			strings.ReplaceAll(`session.save_path = "tcp://${X_HOST}:${X_PORT}?auth[user]=${X_USERNAME}&auth[pass]=${X_PASSWORD}&prefix=${X_PREFIX}session:"`, "X_", variables+"_") + "\n",
	}, true
}

// isSession says that an item is about where sessions are.
func isSession(key hostspec.Key) bool {
	return strings.Contains(key.Name, "session.save_") && (key.Kind == hostspec.PHPSetting || key.Kind == hostspec.PHPPool)
}
