package mask

import (
	"encoding/binary"
	"strconv"
	"time"
)

// dateForm is how dates begin in SQL, in RFC 3339 and in most of what people
// store.
const dateForm = "2006-01-02"

// day in seconds.
const day = 24 * 60 * 60

// dateChanger moves dates by a number of days that depends on the person, or
// on the date itself where no person is known. What is no date is emptied; the
// zero dates of MySQL stay.
func dateChanger(days int, least, most time.Time) changer {
	return func(s *scratch, dst, value, person []byte) []byte {
		if person == nil {
			person = value
		}
		shift := s.shift(days, person)
		if moved, ok := shiftTimestamp(dst, value, shift); ok {
			return moved
		}
		if len(value) < len(dateForm) {
			return dst
		}
		if string(value[:len(dateForm)]) == "0000-00-00" {
			return append(dst, value...)
		}
		at, err := time.Parse(dateForm, string(value[:len(dateForm)]))
		if err != nil {
			return dst
		}
		moved := at.AddDate(0, 0, shift)
		if moved.Before(least) || moved.After(most) {
			moved = at.AddDate(0, 0, -shift)
		}
		return append(moved.AppendFormat(dst, dateForm), value[len(dateForm):]...)
	}
}

// shift is the number of days, never 0, by which a person's dates move.
func (s *scratch) shift(days int, person []byte) int {
	bits := s.bits(forDate, s.folded(person))
	shift := int(binary.LittleEndian.Uint64(bits)%uint64(2*days)) - days
	if shift >= 0 {
		shift++
	}
	return shift
}

// shiftTimestamp moves a number of seconds, milliseconds or microseconds since
// 1970.
func shiftTimestamp(dst, value []byte, shift int) ([]byte, bool) {
	unit := map[int]int64{9: 1, 10: 1, 12: 1e3, 13: 1e3, 15: 1e6, 16: 1e6}[len(value)]
	at, ok := parseDigits(value)
	if unit == 0 || !ok {
		return dst, false
	}
	moved := int64(at) + int64(shift)*day*unit
	if len(value) == 10 && moved >= 1<<31 && at < 1<<31 || moved <= 0 { // an INT column ends in 2038
		moved = int64(at) - int64(shift)*day*unit
	}
	return strconv.AppendInt(dst, moved, 10), true
}

// Limits of dates: those that every server takes, and those of TIMESTAMP.
var (
	firstDate      = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastDate       = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	firstTimestamp = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	lastTimestamp  = time.Date(2038, 1, 18, 0, 0, 0, 0, time.UTC)
)
