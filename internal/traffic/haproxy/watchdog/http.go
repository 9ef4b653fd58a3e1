package watchdog

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
)

// maxOrder bounds an order: 128 names of servers.
const maxOrder = 64 << 10

// Handler takes orders from those who show the token, and says that it is there
// to all others.
func (w *Watchdog) Handler(token string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "ok\n") })
	mux.HandleFunc("POST "+haproxy.OrderPath, func(rw http.ResponseWriter, r *http.Request) {
		if !shows(r, token) {
			reply(rw, haproxy.Answer{}, fault.New(fault.Refused, "Give Landfall the token of the watchdog's --token-file.", "the token is not that of this watchdog"))
			return
		}
		var order haproxy.Order
		decoder := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxOrder))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&order); err != nil {
			reply(rw, haproxy.Answer{}, fault.New(fault.Invalid, "Run the same version of Landfall on both sides.", "reading an order: %w", err))
			return
		}
		answer, err := w.Obey(r.Context(), order)
		reply(rw, answer, err)
	})
	return mux
}

// shows compares hashes, so that the time it takes says nothing of the token.
func shows(r *http.Request, token string) bool {
	shown, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	want, got := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(shown))
	return found && token != "" && subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

var statuses = map[fault.Class]int{
	fault.Invalid: http.StatusBadRequest, fault.NotFound: http.StatusNotFound, fault.Refused: http.StatusForbidden,
}

func reply(rw http.ResponseWriter, answer haproxy.Answer, err error) {
	status := http.StatusOK
	if err != nil {
		class := fault.ClassOf(err)
		answer = haproxy.Answer{Error: &haproxy.Failure{Class: class.String(), Message: err.Error(), Hint: fault.HintOf(err)}}
		if status = statuses[class]; status == 0 {
			status = http.StatusBadGateway
		}
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(answer) // Landfall may be gone
}
