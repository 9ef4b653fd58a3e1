package awstest

import (
	"net/url"
	"strconv"
	"strings"
)

// query is a request in AWS's Query protocol: a tree written as
// Actions.member.1.Type=forward.
type query struct {
	value    string
	children map[string]*query
}

func parseQuery(values url.Values) *query {
	root := &query{}
	for path, value := range values {
		at := root
		for part := range strings.SplitSeq(path, ".") {
			at = at.child(part)
		}
		at.value = value[0]
	}
	return root
}

// child gives the child of a name, made if it is not there.
func (q *query) child(name string) *query {
	if q.children == nil {
		q.children = map[string]*query{}
	}
	if q.children[name] == nil {
		q.children[name] = &query{}
	}
	return q.children[name]
}

// get gives the value below the names, or "".
func (q *query) get(names ...string) string { return q.at(names...).value }

// at never gives nil.
func (q *query) at(names ...string) *query {
	for _, name := range names {
		q = q.child(name)
	}
	return q
}

func (q *query) has(name string) bool { return q.children[name] != nil }

// number is 0 if there is none.
func (q *query) number(names ...string) int {
	n, _ := strconv.Atoi(q.get(names...))
	return n
}

// list gives the members below the names in order.
func (q *query) list(names ...string) []*query {
	member := q.at(names...).at("member")
	var all []*query
	for i := 1; member.has(strconv.Itoa(i)); i++ {
		all = append(all, member.child(strconv.Itoa(i)))
	}
	return all
}

// strings gives the values of the members below the names.
func (q *query) strings(names ...string) []string {
	var all []string
	for _, m := range q.list(names...) {
		all = append(all, m.value)
	}
	return all
}
