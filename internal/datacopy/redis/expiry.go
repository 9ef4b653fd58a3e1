package redis

import "time"

// expiryCommand: since Redis 7 a server tells when a key expires; before, it
// tells how long that is, which is made absolute with the time at which the
// answer came.
func (s *server) tellsExpiry() bool { return s.version >= 700 }

// askExpiry requests when a key expires.
func askExpiry(w *wire, s *server, key []byte) {
	w.begin(2)
	if s.tellsExpiry() {
		w.text("PEXPIRETIME")
	} else {
		w.text("PTTL")
	}
	w.arg(key)
}

// expiryOfNone says that there is no such key.
const expiryOfNone = -2

// readExpiry gives when a key expires, in milliseconds since 1970; -1 is
// never.
func readExpiry(w *wire, s *server) (int64, error) {
	n, err := w.integerReply()
	if err == nil && n >= 0 && !s.tellsExpiry() {
		n += time.Now().UnixMilli()
	}
	return n, err
}

// readExpiries reads the answers about so many keys.
func readExpiries(w *wire, s *server, count int) (expiries []int64, err error) {
	expiries = make([]int64, count)
	for i := range expiries {
		if expiries[i], err = readExpiry(w, s); err != nil {
			return nil, err
		}
	}
	return expiries, nil
}
