package mask

import (
	"bytes"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// tokenLength is how long a token is: a letter, then 60 bits.
const tokenLength = 13

// tokenAlphabet has 32 characters that are plain in addresses, file names and
// URLs.
const tokenAlphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// folded is value as collations compare it: without white space around, in
// lower case. Databases that find 'Anna ' equal to 'anna' must find their
// pseudonyms equal.
func (s *scratch) folded(value []byte) []byte {
	value = bytes.TrimSpace(value)
	folded := s.fold[:0]
	for i := 0; i < len(value); {
		c := value[i]
		if c < utf8.RuneSelf {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			folded = append(folded, c)
			i++
			continue
		}
		r, size := utf8.DecodeRune(value[i:])
		if r == utf8.RuneError && size == 1 {
			folded = append(folded, c)
		} else {
			folded = utf8.AppendRune(folded, unicode.ToLower(r))
		}
		i += size
	}
	s.fold = folded
	return folded
}

// token appends the pseudonym of a text: a letter and 60 bits in base 32, the
// same for values that compare equal.
func (s *scratch) token(dst, value []byte) []byte {
	bits := s.bits(forToken, s.folded(value))
	dst = append(dst, 'a'+bits[8]%26)
	x := uint64(0)
	for _, b := range bits[:8] {
		x = x<<8 | uint64(b)
	}
	for range tokenLength - 1 {
		dst = append(dst, tokenAlphabet[x&31])
		x >>= 5
	}
	return dst
}

// mailDomain is reserved for documentation (RFC 2606): nobody is written to.
const mailDomain = "@example.com"

// email appends an address at example.com that goes by the pseudonym of the
// real one.
func (s *scratch) email(dst, value []byte) []byte {
	if open := bytes.LastIndexByte(value, '<'); open >= 0 { // Anna <anna@shop.test>
		if end := bytes.IndexByte(value[open:], '>'); end > 0 {
			value = value[open+1 : open+end]
		}
	}
	return append(s.token(dst, value), mailDomain...)
}

// uuid appends the pseudonym of a UUID, as a UUID of version 8 (RFC 9562:
// "custom"); ok says whether value is one.
func (s *scratch) uuid(dst, value []byte) (_ []byte, ok bool) {
	if !isUUID(value) {
		return dst, false
	}
	bits := s.bits(forToken, s.folded(value))[:16]
	bits[6] = bits[6]&0x0f | 0x80
	bits[8] = bits[8]&0x3f | 0x80
	for i, b := range bits {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, []byte{b})
	}
	return dst, true
}

func isUUID(value []byte) bool {
	if len(value) != 36 {
		return false
	}
	for i, c := range value {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// raw appends the pseudonym of bytes that are no text, of the same length.
func (s *scratch) raw(dst, value []byte) []byte {
	end := len(dst) + len(value)
	seed := append([]byte(nil), s.bits(forBytes, value)...)
	for len(dst) < end {
		dst = append(dst, seed...)
		seed = append(seed[:0], s.bits(forBytes, seed)...)
	}
	return dst[:end]
}

// hash appends HMAC-SHA256 of the value as it is, in 64 hexadecimal digits.
func (s *scratch) hash(dst, value []byte) []byte {
	return hex.AppendEncode(dst, s.bits(forHash, value))
}
