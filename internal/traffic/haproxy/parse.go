package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// answers is how many questions a report is made of.
const answers = 4

// questions are what a report is made of, asked at once. The proxy is the
// backend's name, or its number where a frontend has the same name.
func questions(p Pair, proxy string) []string {
	const backendAndServers = 2 | 4 // types of `show stat`
	return []string{
		"show info",
		fmt.Sprintf("show stat %s %d -1", proxy, backendAndServers),
		"show servers state " + p.Backend,
		"show table " + latencyTable(p.Backend),
	}
}

// namesake gives the backend's number if HAProxy has taken the name for that of
// a frontend, of which it then shows neither backend nor servers.
func namesake(reply string) (id string, found bool) {
	blocks := strings.Split(reply, "\n\n")
	if len(blocks) != answers+1 || strings.Contains(blocks[1], "\n") || !strings.HasPrefix(blocks[1], "# pxname,") {
		return "", false
	}
	states, err := parseStates(blocks[2])
	if err != nil {
		return "", false
	}
	for server := range states.rows {
		state := states.row(server)
		if _, err := state.number("be_id"); err == nil && state.text("be_id") != "" {
			return state.text("be_id"), true
		}
	}
	return "", false
}

var errCutShort = errors.New("HAProxy's reply was cut short")

// parseReport reads the replies to questions. Each ends with an empty line;
// HAProxy's management guide, section 9.3, has the commands.
func parseReport(reply string, p Pair) (Report, error) {
	blocks := strings.Split(reply, "\n\n")
	if len(blocks) != answers+1 || strings.TrimSpace(blocks[len(blocks)-1]) != "" {
		return Report{}, errCutShort
	}
	info, stat, state, times := blocks[0], blocks[1], blocks[2], blocks[3]
	if strings.Contains(stat, "No such proxy") || strings.Contains(state, "Can't find backend") {
		return Report{}, fault.New(fault.NotFound, "Name a backend of HAProxy's configuration.", "looking for backend %s: HAProxy has none of that name", p.Backend)
	}
	r := Report{Process: infoField(info, "Pid")}
	if r.Process == "" {
		return Report{}, errors.New("reading HAProxy's process: there is no Pid in its reply")
	}
	stats, err := parseStat(stat)
	if err != nil {
		return Report{}, err
	}
	states, err := parseStates(state)
	if err != nil {
		return Report{}, err
	}
	var latency map[string][]int64
	if strings.HasPrefix(times, "# table: ") {
		r.Extended = true
		if latency, err = parseLatency(times); err != nil {
			return Report{}, err
		}
	}
	backend := stats.row("BACKEND")
	r.Algorithm, r.Cookie = backend.text("algo"), backend.text("cookie")
	for _, named := range p.servers() {
		server, err := readServer(stats.row(named.name), states.row(named.name))
		if err != nil {
			return Report{}, fmt.Errorf("reading server %s/%s: %w", p.Backend, named.name, err)
		}
		server.Name, server.Side = named.name, named.side
		if r.Extended {
			server.Latency = latency[named.name]
			if server.Latency == nil { // it has answered nothing yet
				server.Latency = make([]int64, len(latencyBounds)+1)
			}
		}
		r.Servers = append(r.Servers, server)
	}
	return r, nil
}

// infoField finds a line of `show info`.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, found := strings.CutPrefix(line, name+": "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// table is a reply with columns, and rows by the name of their server.
type table struct {
	columns map[string]int
	rows    map[string][]string
}

// row is a line of a table; nil if there is none.
type row struct {
	columns map[string]int
	fields  []string
}

func (t table) row(server string) row { return row{t.columns, t.rows[server]} }

// text is a field; "" if there is none.
func (r row) text(column string) string {
	if i, found := r.columns[column]; found && i < len(r.fields) {
		return r.fields[i]
	}
	return ""
}

// number reads a count that may be empty.
func (r row) number(column string) (int64, error) {
	text := r.text(column)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is %q, not a count", column, text)
	}
	return n, nil
}

// parseStat reads `show stat`: rows by server, and BACKEND.
func parseStat(block string) (table, error) {
	header, body, found := strings.Cut(strings.TrimPrefix(block, "# "), "\n")
	if !found || !strings.HasPrefix(header, "pxname,svname,") {
		return table{}, fmt.Errorf("reading HAProxy's statistics: they begin with %.60q", block)
	}
	t := newTable(strings.Split(header, ","))
	lines := csv.NewReader(strings.NewReader(body))
	lines.FieldsPerRecord = strings.Count(header, ",") + 1
	lines.LazyQuotes = true
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return table{}, fmt.Errorf("reading HAProxy's statistics: %w", err)
		}
		t.rows[fields[1]] = fields
	}
}

// parseStates reads `show servers state`, version 1: rows by server.
func parseStates(block string) (table, error) {
	version, rest, _ := strings.Cut(block, "\n")
	header, body, found := strings.Cut(rest, "\n")
	columns := strings.Fields(strings.TrimPrefix(header, "# "))
	if version != "1" || !found || len(columns) < 4 || columns[3] != "srv_name" {
		return table{}, fmt.Errorf("reading HAProxy's server states: they begin with %.60q", block)
	}
	t := newTable(columns)
	for line := range strings.Lines(body) {
		fields := strings.Fields(line)
		if len(fields) < len(columns) {
			return table{}, fmt.Errorf("reading HAProxy's server states: %w", errCutShort)
		}
		t.rows[fields[3]] = fields
	}
	return t, nil
}

func newTable(columns []string) table {
	t := table{columns: make(map[string]int, len(columns)), rows: map[string][]string{}}
	for i, column := range columns {
		t.columns[column] = i
	}
	return t
}

// Bits and values of `show servers state`.
const (
	heldByCommand = 0x01 // srv_admin_state: SRV_ADMF_FMAINT
	anyHold       = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
	stopped       = 0 // srv_op_state: SRV_ST_STOPPED
)

// readServer joins what both tables say about one server.
func readServer(stat, state row) (Server, error) {
	if stat.fields == nil || state.fields == nil {
		return Server{}, fault.New(fault.NotFound, "Add it to HAProxy's configuration with `weight 0`, or name another.", "HAProxy's backend has no such server")
	}
	var err error
	number := func(r row, column string) int64 {
		n, wrong := r.number(column)
		err = errors.Join(err, wrong)
		return n
	}
	for _, column := range []string{"srv_uweight", "srv_iweight", "srv_op_state", "srv_admin_state"} {
		if state.text(column) == "" {
			return Server{}, fmt.Errorf("HAProxy does not say its %s", column)
		}
	}
	admin := number(state, "srv_admin_state")
	s := Server{
		Weight:   int(number(state, "srv_uweight")),
		Initial:  int(number(state, "srv_iweight")),
		Up:       number(state, "srv_op_state") != stopped && admin&anyHold == 0,
		Held:     admin&heldByCommand != 0,
		Checked:  stat.text("status") != "no check",
		Status:   stat.text("status"),
		Sessions: number(stat, "scur"),
	}
	s.Requests, s.Errors = countRequests(func(column string) int64 { return number(stat, column) })
	if s.Weight > maxWeight || s.Initial > maxWeight {
		return Server{}, fmt.Errorf("its weights %d and %d are more than a server can have", s.Weight, s.Initial)
	}
	return s, err
}

// countRequests makes of a server's statistics how many requests it had, and
// how many of them failed: answered with a status 5xx, not answered, broken off
// in the middle of the answer, or taken to another server because this one
// could not be reached (its clients may not have noticed, but the side has
// failed them).
//
// A request without an answer has no counter of its own. HAProxy counts
// failures of connections and answers (econ, eresp), but may count one request
// twice; and sessions (stot), which are attempts: among them those under way,
// those tried again and those that the client broke off. The truth is not above
// either.
func countRequests(number func(column string) int64) (requests, failed int64) {
	answered, redispatched := number("req_tot"), number("wredis")
	failures := number("econ") + number("eresp")
	attempts := number("stot") - number("scur") - number("wretr") - redispatched - answered
	unanswered := max(0, min(failures, attempts))
	requests = answered + unanswered + redispatched
	failed = number("hrsp_5xx") + number("srv_abrt") + unanswered + redispatched
	return requests, min(failed, requests)
}

// pairServer is a server's name with its side.
type pairServer struct {
	name string
	side traffic.Side
}

// servers of both sides, the old one's first.
func (p Pair) servers() []pairServer {
	var all []pairServer
	for _, name := range p.Old {
		all = append(all, pairServer{name, traffic.Old})
	}
	for _, name := range p.New {
		all = append(all, pairServer{name, traffic.New})
	}
	return all
}
