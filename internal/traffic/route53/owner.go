package route53

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// heritage marks records that say who owns a name; external-dns has the same
// habit.
const heritage = "landfall"

// owner is what the TXT record beside a name says. It is replaced as it was by
// each change, in the same batch: a process that knows an older one changes
// nothing, and the epoch in it fences those that were declared dead.
type owner struct {
	migration string
	epoch     int64
	// ttl is that of the records before the migration by type, in seconds; 0
	// where they had none, being aliases.
	ttl map[types.RRType]int64
	// weighted: the records had weights before the migration already.
	weighted bool
	// converted is when the records got weights, written when these were last
	// changed.
	converted, written time.Time
	// check is the ID of the health check on the heartbeat, if there is one.
	check string
	// leaving: the records are as they shall stay, and what is left is to go.
	leaving bool
}

// maxText is how long one string of a TXT record may be.
const maxText = 255

// text is the value of the record.
func (o owner) text() string {
	fields := []string{
		"heritage=" + heritage, "migration=" + o.migration,
		fmt.Sprintf("epoch=%d", o.epoch), "ttl=" + ttlText(o.ttl), fmt.Sprintf("weighted=%t", o.weighted),
		fmt.Sprintf("converted=%d", o.converted.Unix()), fmt.Sprintf("written=%d", o.written.Unix()),
	}
	if o.check != "" {
		fields = append(fields, "check="+o.check)
	}
	if o.leaving {
		fields = append(fields, "leaving=true")
	}
	text := strings.Join(fields, ",")
	var quoted []string
	for len(text) > maxText {
		quoted, text = append(quoted, `"`+text[:maxText]+`"`), text[maxText:]
	}
	return strings.Join(append(quoted, `"`+text+`"`), " ")
}

var errForeignText = errors.New("a TXT record that Landfall has not written")

// parseOwner reads what text wrote. What others wrote is errForeignText.
func parseOwner(value string) (owner, error) {
	var text strings.Builder
	for i, part := range strings.Split(value, `"`) {
		if i%2 == 1 {
			text.WriteString(part)
		} else if strings.TrimSpace(part) != "" {
			return owner{}, errForeignText
		}
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(text.String(), ",") {
		key, value, _ := strings.Cut(field, "=")
		fields[key] = value
	}
	if fields["heritage"] != heritage {
		return owner{}, errForeignText
	}
	o := owner{migration: fields["migration"], weighted: fields["weighted"] == "true", check: fields["check"], leaving: fields["leaving"] == "true"}
	numbers := map[string]int64{}
	for _, key := range []string{"epoch", "converted", "written"} {
		n, err := strconv.ParseInt(fields[key], 10, 64)
		if err != nil {
			return owner{}, fmt.Errorf("an ownership record whose %s is no number", key)
		}
		numbers[key] = n
	}
	o.epoch = numbers["epoch"]
	o.converted, o.written = time.Unix(numbers["converted"], 0), time.Unix(numbers["written"], 0)
	var err error
	o.ttl, err = parseTTL(fields["ttl"])
	return o, err
}

// ttlText writes times to live as A:300/AAAA:60.
func ttlText(ttl map[types.RRType]int64) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(ttl)) {
		parts = append(parts, fmt.Sprintf("%s:%d", kind, ttl[kind]))
	}
	return strings.Join(parts, "/")
}

func parseTTL(text string) (map[types.RRType]int64, error) {
	ttl := map[types.RRType]int64{}
	for part := range strings.SplitSeq(text, "/") {
		kind, number, _ := strings.Cut(part, ":")
		seconds, err := strconv.ParseInt(number, 10, 32)
		if err != nil || seconds < 0 {
			return nil, errors.New("an ownership record whose ttl is no time to live")
		}
		ttl[types.RRType(kind)] = seconds
	}
	return ttl, nil
}

// longestTTL is for how long resolvers may remember what was before the
// migration.
func (o owner) longestTTL() time.Duration {
	longest := time.Duration(0)
	for _, seconds := range o.ttl {
		ttl := time.Duration(seconds) * time.Second
		if seconds == 0 {
			ttl = aliasTTL
		}
		longest = max(longest, ttl)
	}
	return longest
}
