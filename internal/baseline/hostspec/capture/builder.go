package capture

import (
	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
	"github.com/landfall-dev/landfall/internal/baseline/hostspec/capture/secret"
	"github.com/landfall-dev/landfall/internal/result"
)

// Builder takes the items of one source. It belongs to one call of Parse.
type Builder struct {
	salt    string
	items   []hostspec.Item
	unknown map[hostspec.Kind]string
}

// Add puts an item in. Attributes without a name are left out, so that
// Optional can stand in the list; an item added twice keeps the last one.
func (b *Builder) Add(kind hostspec.Kind, name string, attributes ...hostspec.Attribute) {
	kept := make([]hostspec.Attribute, 0, len(attributes))
	for _, a := range attributes {
		if a.Name != "" {
			kept = append(kept, a)
		}
	}
	b.items = append(b.items, hostspec.Item{
		Key:        hostspec.Key{Kind: kind, Name: result.Clean(name)},
		Attributes: kept,
	})
}

// Value puts an item in that has just a value.
func (b *Builder) Value(kind hostspec.Kind, name string, value hostspec.Value) {
	b.Add(kind, name, hostspec.Attribute{Name: hostspec.ValueAttribute, Value: value})
}

// Unknown says why a whole kind is unknown. Items of the kind that are known
// all the same may be added.
func (b *Builder) Unknown(kind hostspec.Kind, reason string) {
	if b.unknown == nil {
		b.unknown = map[hostspec.Kind]string{}
	}
	b.unknown[kind] = result.Clean(reason)
}

// Setting gives the value of a setting, or a fingerprint if its name or value
// looks like a secret; see package secret. Secrets within the value, such as a
// password in a URL, are replaced there.
func (b *Builder) Setting(name, value string) hostspec.Value {
	if secret.Looks(name, value) {
		return b.Secret(value)
	}
	return hostspec.Text(b.Redacted(value))
}

// Redacted gives a text, such as a command line, with what looks secret in it
// replaced by "<secret FINGERPRINT>".
func (b *Builder) Redacted(text string) string {
	return secret.Redact(text, func(part string) string { return b.Secret(part).String() })
}

// Secret gives the fingerprint of a value that is a secret.
func (b *Builder) Secret(value string) hostspec.Value { return hostspec.Fingerprint(b.salt, value) }

// Text is an attribute with a text.
func Text(name, value string) hostspec.Attribute {
	return hostspec.Attribute{Name: name, Value: hostspec.Text(value)}
}

// Optional is an attribute with a text, or none when the text is empty.
func Optional(name, value string) hostspec.Attribute {
	if value == "" {
		return hostspec.Attribute{}
	}
	return Text(name, value)
}

// Int is an attribute with a number.
func Int(name string, value int64) hostspec.Attribute {
	return hostspec.Attribute{Name: name, Value: hostspec.Int(value)}
}

// Flag is an attribute that is true, or none.
func Flag(name string, value bool) hostspec.Attribute {
	if !value {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: name, Value: hostspec.Bool(true)}
}

// Bool is an attribute with a truth.
func Bool(name string, value bool) hostspec.Attribute {
	return hostspec.Attribute{Name: name, Value: hostspec.Bool(value)}
}

// List is an attribute with a list, or none when it is empty.
func List(name string, values []string) hostspec.Attribute {
	if len(values) == 0 {
		return hostspec.Attribute{}
	}
	return hostspec.Attribute{Name: name, Value: hostspec.List(values...)}
}

// Unknown is an attribute that could not be read.
func Unknown(name string, reason error) hostspec.Attribute {
	return hostspec.Attribute{Name: name, Value: hostspec.UnknownBecause(reason.Error())}
}

// Volatile is an attribute that changes by itself.
func Volatile(name, why string) hostspec.Attribute {
	return hostspec.Attribute{Name: name, Value: hostspec.VolatileBecause(why)}
}
