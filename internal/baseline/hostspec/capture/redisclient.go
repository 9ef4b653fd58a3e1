package capture

import (
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// Where settings of Redis clients are found: environment files of applications,
// and the configuration of servers and sentinels on the host, which clients on
// it meet.
var (
	redisEnvironments = []string{
		"/var/www/.env", "/var/www/*/.env", "/var/www/*/current/.env", "/var/www/*/shared/.env",
		"/srv/*/.env", "/srv/*/current/.env", "/srv/*/shared/.env", "/opt/*/.env", "/home/*/*/.env", "/home/*/*/current/.env", "/home/*/*/shared/.env",
	}
	redisServers = []string{"/etc/redis.conf", "/etc/redis-sentinel.conf", "/etc/redis/*.conf", "/etc/valkey/*.conf", "/usr/local/etc/redis/*.conf"}
)

// redisClientSource: where applications on this host find Redis, and how. PHP's
// own session handler is among the kinds php-setting and php-pool.
func redisClientSource() Source {
	return Source{
		Name:  "redis-client",
		Kinds: []hostspec.Kind{hostspec.RedisClient},
		Files: append(redisEnvironments[:len(redisEnvironments):len(redisEnvironments)], redisServers...),
		Parse: parseRedisClient,
	}
}

func parseRedisClient(in *Input, out *Builder) {
	for _, name := range in.Glob(redisEnvironments...) {
		content, err := in.Read(name)
		if err != nil {
			out.Value(hostspec.RedisClient, name, hostspec.UnknownBecause(err.Error()))
			continue
		}
		for key, value := range Assignments(content) {
			if strings.Contains(strings.ToUpper(key), "REDIS") || strings.HasPrefix(value, "redis://") || strings.HasPrefix(value, "rediss://") {
				out.Value(hostspec.RedisClient, name+" "+key, out.Setting(key, value))
			}
		}
	}
	for _, name := range in.Glob(redisServers...) {
		content, err := in.Read(name)
		if err != nil {
			out.Value(hostspec.RedisClient, name, hostspec.UnknownBecause(err.Error()))
			continue
		}
		redisServer(out, name, string(content))
	}
}

// redisServer adds the lines of a redis.conf or sentinel.conf. What a server
// writes into its own file while it runs is left out.
func redisServer(out *Builder, name, content string) {
	values := map[string][]string{}
	for line := range strings.Lines(content) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		key, arguments := strings.ToLower(fields[0]), fields[1:]
		if key == "sentinel" || key == "rename-command" || key == "client-output-buffer-limit" {
			key, arguments = key+" "+strings.ToLower(arguments[0]), arguments[1:]
		}
		if redisState[key] {
			continue
		}
		values[key] = append(values[key], strings.Join(arguments, " "))
	}
	for key, list := range values {
		out.Value(hostspec.RedisClient, name+" "+key, redisValue(out, key, list))
	}
}

func redisValue(out *Builder, key string, list []string) hostspec.Value {
	shown := make([]hostspec.Value, len(list))
	for i, value := range list {
		value = strings.Trim(value, `"`)
		shown[i] = out.Setting(key, value)
		if key == "user" || strings.HasSuffix(key, "pass") {
			shown[i] = out.Secret(value)
		}
	}
	return joined(shown)
}

// redisState are directives by which a sentinel or cluster keeps its state.
var redisState = map[string]bool{
	"sentinel myid": true, "sentinel config-epoch": true, "sentinel leader-epoch": true, "sentinel current-epoch": true,
	"sentinel known-replica": true, "sentinel known-sentinel": true, "sentinel known-slave": true,
}
