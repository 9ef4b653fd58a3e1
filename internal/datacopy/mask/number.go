package mask

import (
	"slices"
	"strconv"
)

// Tweaks of permutations, one for each use.
const (
	tweakNumber uint32 = iota << 8
	tweakDigits
)

// limits are the largest numbers of the integer types of SQL, and of each
// number of digits. A number is exchanged for one between the same two limits,
// so that it keeps its length, fits wherever the real one does, and two numbers
// never meet in one.
var limits = func() []uint64 {
	all := []uint64{
		1<<7 - 1, 1<<8 - 1, 1<<15 - 1, 1<<16 - 1, 1<<23 - 1, 1<<24 - 1, 1<<31 - 1, 1<<32 - 1, 1<<63 - 1, 1<<64 - 1,
	}
	for ten := uint64(10); ; ten *= 10 {
		all = append(all, ten-1)
		if ten > (1<<64-1)/10 {
			break
		}
	}
	slices.Sort(all)
	return all
}()

// number gives the pseudonym of a number. Zero means "none" in most schemas
// and stays.
func (s *scratch) number(x uint64) uint64 {
	if x == 0 {
		return 0
	}
	at, _ := slices.BinarySearch(limits, x)
	low := uint64(1)
	if at > 0 {
		low = limits[at-1] + 1
	}
	return low + s.permute(tweakNumber, limits[at]-low+1, x-low)
}

// integer appends the pseudonym of a decimal integer; ok says whether value is
// one: digits without leading zeros, at most 2^64-1, perhaps with a sign.
func (s *scratch) integer(dst, value []byte) (_ []byte, ok bool) {
	digits := value
	negative := len(digits) > 1 && digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 20 || digits[0] == '0' && (len(digits) > 1 || negative) {
		return dst, false
	}
	x, ok := parseDigits(digits)
	if !ok {
		return dst, false
	}
	if negative { // -128 fits where 128 does not
		return strconv.AppendUint(append(dst, '-'), s.number(x-1)+1, 10), true
	}
	return strconv.AppendUint(dst, s.number(x), 10), true
}

// parseDigits reads a number below 2^64.
func parseDigits(digits []byte) (uint64, bool) {
	var x uint64
	for _, c := range digits {
		d := uint64(c - '0')
		if c < '0' || c > '9' || x > (1<<64-1)/10 || x*10 > 1<<64-1-d {
			return 0, false
		}
		x = x*10 + d
	}
	return x, true
}

// digitsAtOnce is how many digits one permutation takes.
const digitsAtOnce = 18

// scramble exchanges digits in place for others, by a permutation of all digit
// strings of that length.
func (s *scratch) scramble(digits []byte) {
	tweak := tweakDigits + uint32(len(digits)&0x7f)
	for part := 0; len(digits) > 0; part++ {
		here := digits[:min(digitsAtOnce, len(digits))]
		digits = digits[len(here):]
		n, x := uint64(1), uint64(0)
		for _, c := range here {
			n, x = n*10, x*10+uint64(c-'0')
		}
		x = s.permute(tweak+uint32(part)<<16, n, x)
		for i := len(here) - 1; i >= 0; i-- {
			here[i], x = byte('0'+x%10), x/10
		}
	}
}

// shape takes the digits out of value, lets change work on those from the
// number skip on, and puts them back between what was there; other characters
// that could tell something become x.
func (s *scratch) shape(dst, value []byte, skip int, change func(s *scratch, digits []byte)) []byte {
	digits := s.fold[:0]
	for _, c := range value {
		if c >= '0' && c <= '9' {
			digits = append(digits, c)
		}
	}
	s.fold = digits
	if skip < len(digits) {
		change(s, digits[skip:])
	}
	next := 0
	for _, c := range value {
		switch {
		case c >= '0' && c <= '9':
			dst = append(dst, digits[next])
			next++
		case punctuation[c]:
			dst = append(dst, c)
		default:
			dst = append(dst, 'x')
		}
	}
	return dst
}

// punctuation of phone and card numbers.
var punctuation = [256]bool{' ': true, '+': true, '-': true, '.': true, '(': true, ')': true, '/': true, '\t': true}
