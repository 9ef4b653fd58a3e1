package redis

import "context"

// lines are one worker's connections to the nodes of a server, opened when
// they are first used. Not safe for concurrent use.
type lines struct {
	server   *server
	database int
	open     map[string]*wire
	// unwatch end the watch of the context over each.
	unwatch map[string]func() bool
}

func newLines(server *server, database int) *lines {
	return &lines{server: server, database: database, open: map[string]*wire{}, unwatch: map[string]func() bool{}}
}

// to gives the connection to a node. It is closed when ctx ends.
func (l *lines) to(ctx context.Context, node string) (*wire, error) {
	if w := l.open[node]; w != nil {
		return w, nil
	}
	w, err := l.server.dial(ctx, node, l.database)
	if err != nil {
		return nil, err
	}
	l.open[node], l.unwatch[node] = w, w.until(ctx)
	return w, nil
}

// of gives the connection to the node that has a key.
func (l *lines) of(ctx context.Context, key []byte) (*wire, error) {
	return l.to(ctx, l.server.layout.Load().node(key))
}

// flush sends what is gathered on all of them.
func (l *lines) flush() error {
	for _, w := range l.open {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return nil
}

// drop closes all: after an error nobody knows which replies are still to come.
func (l *lines) drop() {
	for node, w := range l.open {
		l.unwatch[node]()
		w.close()
	}
	clear(l.open)
	clear(l.unwatch)
}
