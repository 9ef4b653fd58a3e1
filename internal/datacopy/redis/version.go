package redis

import (
	"fmt"
	"strconv"
	"strings"
)

// version is 100 times the first number and the second: 700 is 7.0. Zero is
// none.
type version int

func versionOf(text string) version {
	numbers := strings.SplitN(text, ".", 3)
	if len(numbers) < 2 {
		return 0
	}
	major, _ := strconv.Atoi(numbers[0])
	minor, _ := strconv.Atoi(numbers[1])
	return version(100*major + minor)
}

func (v version) String() string { return fmt.Sprintf("%d.%d", v/100, v%100) }

// product is what the server is, such as Redis 7.0.
func (s *server) product() string {
	if s.valkey > 0 {
		return "Valkey " + s.valkey.String()
	}
	return "Redis " + s.version.String()
}

// knowsPayloads says whether the server takes whole payloads of another:
// versions know those of older ones; Valkey knows those of Redis up to 7.2, and
// has its own from 9 on.
func (s *server) knowsPayloads(source *server) bool {
	if source.valkey >= 900 || (source.valkey > 0 && s.valkey > 0) {
		return s.valkey >= source.valkey
	}
	return s.version >= source.version
}

// expiresFields says whether fields of hashes may expire by themselves: since
// Redis 7.4 and Valkey 9, which call the commands alike.
func (s *server) expiresFields() bool {
	return s.valkey >= 900 || (s.valkey == 0 && s.version >= 704)
}
