package mask

import (
	"fmt"
	"unicode/utf8"
)

// changerOf gives what a kind does to a value whose type is not known: a value
// of Redis, a part of a document.
func changerOf(action Action) (changer, error) {
	switch action.Kind {
	case Pseudonym:
		return pseudonym, nil
	case Email:
		return func(s *scratch, dst, value, _ []byte) []byte { return s.whenAny(dst, value, (*scratch).email) }, nil
	case Phone:
		return phone, nil
	case Card:
		return card, nil
	case Date:
		return dateChanger(action.Days, firstDate, lastDate), nil
	case Name, FirstName, LastName:
		return nameChanger(action.Kind), nil
	case Empty, Null:
		return func(_ *scratch, dst, _, _ []byte) []byte { return dst }, nil
	case Fixed:
		return func(_ *scratch, dst, _, _ []byte) []byte { return append(dst, action.Text...) }, nil
	case Hash:
		return func(s *scratch, dst, value, _ []byte) []byte { return s.hash(dst, value) }, nil
	case JSON:
		return jsonChanger(action.Paths)
	}
	return nil, fmt.Errorf("there is no kind %q", action.Kind)
}

// whenAny leaves the empty value empty: it says nothing, and programs tell it
// from others.
func (s *scratch) whenAny(dst, value []byte, change func(s *scratch, dst, value []byte) []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return change(s, dst, value)
}

// pseudonym looks at the value, not at its column, so that 4711 as a number
// and as a text stay the same customer.
func pseudonym(s *scratch, dst, value, _ []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	if changed, ok := s.integer(dst, value); ok {
		return changed
	}
	if changed, ok := s.uuid(dst, value); ok {
		return changed
	}
	if changed, ok := s.digits(dst, value); ok {
		return changed
	}
	if !utf8.Valid(value) {
		return s.raw(dst, value)
	}
	return s.token(dst, value)
}

// digits appends the pseudonym of a decimal number, and of digits with zeros in
// front; these and the point stay where they are. ok says whether value is one.
func (s *scratch) digits(dst, value []byte) (_ []byte, ok bool) {
	point := false
	for i, c := range value {
		switch {
		case c >= '0' && c <= '9':
		case c == '.' && !point && i > 0 && i < len(value)-1:
			point = true
		case c == '-' && i == 0 && len(value) > 1:
		default:
			return dst, false
		}
	}
	zeros := 0
	for zeros < len(value) && (value[zeros] == '0' || value[zeros] == '-' || value[zeros] == '.') {
		zeros++
	}
	dst = append(dst, value[:zeros]...)
	whole, fraction := value[zeros:], []byte(nil)
	for i, c := range whole {
		if c == '.' {
			whole, fraction = whole[:i], whole[i+1:]
			break
		}
	}
	if changed, ok := s.integer(dst, whole); ok || len(whole) == 0 {
		dst = changed
	} else { // more digits than a number has
		dst = s.shape(dst, whole, 0, (*scratch).scramble)
	}
	if fraction != nil {
		dst = s.shape(append(dst, '.'), fraction, 0, (*scratch).scramble)
	}
	return dst, true
}

// phone keeps form and prefix: +49, 0049 or 0.
func phone(s *scratch, dst, value, _ []byte) []byte {
	skip, digits := 0, 0
	plus := false
	var first [2]byte
	for _, c := range value {
		plus = plus || c == '+' && digits == 0
		if c >= '0' && c <= '9' {
			if digits < 2 {
				first[digits] = c
			}
			digits++
		}
	}
	switch {
	case plus:
		skip = 2
	case first == [2]byte{'0', '0'}:
		skip = 4
	case first[0] == '0':
		skip = 1
	}
	if digits-skip < 4 {
		skip = 0 // what is left would give it away
	}
	return s.shape(dst, value, skip, (*scratch).scramble)
}

// issuerDigits of a card say which bank it is of, not whose.
const issuerDigits = 6

// card keeps form and issuer, and is valid by Luhn's rule (ISO/IEC 7812-1).
func card(s *scratch, dst, value, _ []byte) []byte {
	digits := 0
	for _, c := range value {
		if c >= '0' && c <= '9' {
			digits++
		}
	}
	if digits < issuerDigits+4 {
		return s.shape(dst, value, 0, (*scratch).scramble)
	}
	return s.shape(dst, value, 0, func(s *scratch, all []byte) {
		last := len(all) - 1
		s.scramble(all[issuerDigits:last])
		all[last] = luhn(all[:last])
	})
}

// luhn is the check digit that follows digits.
func luhn(digits []byte) byte {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return byte('0' + (10-sum%10)%10)
}
