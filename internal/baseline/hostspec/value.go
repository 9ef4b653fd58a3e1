package hostspec

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"github.com/landfall-dev/landfall/internal/result"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Operator says how a value is to be read. In a document it is the single key
// of a mapping: {matches: ^1\.2}. No attribute may have such a name.
type Operator string

// Operators. The first three occur in captured facts, all in expectations.
const (
	// Unknown: the fact could not be read; the argument is the reason.
	Unknown Operator = "unknown"
	// Volatile: the fact changes by itself and is set aside; the argument says
	// why. As an expectation it always holds.
	Volatile Operator = "volatile"
	// Secret: the value looks secret; the argument is its salted fingerprint.
	Secret Operator = "secret"
	// Matches: the text matches a regular expression (RE2).
	Matches Operator = "matches"
	// Contains: the list has all of these, or the text has each as a part.
	Contains Operator = "contains"
	// OneOf: the value equals one of these.
	OneOf Operator = "oneOf"
	// Versions: a version in a range such as ">= 1.22, < 2". Versions are
	// compared by the rules of the item's package manager.
	Versions Operator = "versions"
	// Number: a number in a range such as ">= 5, < 10".
	Number Operator = "number"
	// Not: the argument, a value or an operator, does not hold.
	Not Operator = "not"
	// Exists: the attribute or item is there, or with false is not.
	Exists Operator = "exists"
)

// Operators that a document may use.
var Operators = []Operator{Unknown, Volatile, Secret, Matches, Contains, OneOf, Versions, Number, Not, Exists}

// Value of an attribute: a literal, or an operator with its argument. Values
// are immutable; the zero Value is the empty text.
type Value struct {
	op Operator
	// literal is string, int64, bool or []string; for an operator its
	// argument, and for Not a Value.
	literal any
}

// Text is a literal text. It is cleaned: see Clean.
func Text(s string) Value { return Value{literal: result.Clean(s)} }

// Int is a literal number.
func Int(n int64) Value { return Value{literal: n} }

// Bool is a literal truth.
func Bool(b bool) Value { return Value{literal: b} }

// List is a literal list; where order has no meaning, sort it first.
func List(items ...string) Value {
	cleaned := make([]string, len(items))
	for i, item := range items {
		cleaned[i] = result.Clean(item)
	}
	return Value{literal: cleaned}
}

// UnknownBecause is a fact that could not be read.
func UnknownBecause(reason string) Value { return Value{op: Unknown, literal: result.Clean(reason)} }

// VolatileBecause is a fact that changes by itself.
func VolatileBecause(reason string) Value { return Value{op: Volatile, literal: result.Clean(reason)} }

// Fingerprint is a secret, as HMAC-SHA256 under the document's salt, shortened
// to 16 hex digits: enough to see a change, too little to be worth guessing
// against without the salt.
func Fingerprint(salt, secret string) Value {
	mac := hmac.New(sha256.New, []byte(salt))
	mac.Write([]byte(secret))
	return Value{op: Secret, literal: hex.EncodeToString(mac.Sum(nil))[:16]}
}

// Expect is an operator with its argument: a string, int64, bool, []string or,
// for Not, a Value.
func Expect(op Operator, argument any) Value { return Value{op: op, literal: argument} }

// Operator is "" for a literal.
func (v Value) Operator() Operator { return v.op }

// Plain says that the value is a literal.
func (v Value) Plain() bool { return v.op == "" }

// Literal is the literal or the operator's argument: string, int64, bool,
// []string, or a Value for Not. Callers must not change it.
func (v Value) Literal() any {
	if v.literal == nil {
		return ""
	}
	return v.literal
}

// Argument is the literal, or the operator's argument, as text.
func (v Value) Argument() string { return literalText(v.Literal()) }

// Strings gives a literal list, or a literal as a list of one.
func (v Value) Strings() []string {
	if list, ok := v.literal.([]string); ok {
		return slices.Clone(list)
	}
	return []string{literalText(v.Literal())}
}

// Equal compares values: lists item by item, literals with their types.
func (v Value) Equal(other Value) bool {
	if v.op != other.op {
		return false
	}
	switch a := v.Literal().(type) {
	case []string:
		b, ok := other.Literal().([]string)
		return ok && slices.Equal(a, b)
	case Value:
		b, ok := other.Literal().(Value)
		return ok && a.Equal(b)
	default:
		if _, list := other.Literal().([]string); list {
			return false
		}
		if _, value := other.Literal().(Value); value {
			return false
		}
		return a == other.Literal()
	}
}

// String is the value for people, on one line.
func (v Value) String() string {
	text := literalText(v.Literal())
	if v.op == "" {
		return text
	}
	return string(v.op) + " " + text
}

func literalText(literal any) string {
	switch l := literal.(type) {
	case string:
		return l
	case int64:
		return strconv.FormatInt(l, 10)
	case bool:
		return strconv.FormatBool(l)
	case []string:
		return "[" + strings.Join(l, ", ") + "]"
	case Value:
		return l.String()
	}
	return fmt.Sprint(literal)
}

// valid checks an operator's argument.
func (v Value) valid() error {
	switch v.op {
	case Unknown, Volatile, Secret, Matches, Versions, Number:
		text, ok := v.literal.(string)
		if !ok {
			return fmt.Errorf("%s takes a text", v.op)
		}
		switch v.op {
		case Matches:
			_, err := regexp.Compile(text)
			return err
		case Versions:
			_, err := ParseRange(text)
			return err
		case Number:
			return validNumbers(text)
		}
	case Exists:
		if _, ok := v.literal.(bool); !ok {
			return fmt.Errorf("%s takes true or false", v.op)
		}
	case Contains:
		if list, ok := v.literal.([]string); ok && len(list) == 0 {
			return fmt.Errorf("%s takes at least one text", v.op)
		}
	case OneOf:
		if list, ok := v.literal.([]string); !ok || len(list) == 0 {
			return fmt.Errorf("%s takes a list", v.op)
		}
	}
	return nil
}

// MarshalJSON writes the value as documents have it: a literal, or the operator
// with its argument.
func (v Value) MarshalJSON() ([]byte, error) {
	if v.op == "" {
		return json.Marshal(v.Literal())
	}
	return json.Marshal(map[Operator]any{v.op: v.Literal()})
}
