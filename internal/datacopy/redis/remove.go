package redis

import (
	"context"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// removeExtra removes what the source no longer has, where that was asked
// for. Each key is removed because the source says that it has none of this
// name, never because a listing lacks it; so none whose name is masked.
func (u *unitCopy) removeExtra(ctx context.Context) error {
	if u.plan.Mode != datacopy.Incremental || !u.req.Delete {
		return nil
	}
	source := newLines(u.source, u.from)
	defer source.drop()
	return u.eachOfTarget(ctx, func(ctx context.Context, keys [][]byte, target *lines) error {
		gone, err := u.absent(ctx, source, u.scope.known(keys))
		if err != nil {
			source.drop()
			return u.source.failed("looking for keys in", err)
		}
		u.removed += int64(len(gone))
		return unlink(ctx, u.scope.allToTarget(gone), target)
	})
}

// absent gives those keys that the source does not have.
func (u *unitCopy) absent(ctx context.Context, source *lines, keys [][]byte) ([][]byte, error) {
	asked := make([]*wire, len(keys))
	for i, key := range keys {
		w, err := source.of(ctx, key)
		if err != nil {
			return nil, err
		}
		w.begin(2)
		w.text("EXISTS")
		w.arg(key)
		asked[i] = w
	}
	if err := source.flush(); err != nil {
		return nil, err
	}
	var absent [][]byte
	for i, key := range keys {
		n, err := asked[i].integerReply()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			absent = append(absent, key)
		}
	}
	return absent, nil
}

// eachOfTarget gives all keys of the target that are meant, a page at a time.
func (u *unitCopy) eachOfTarget(ctx context.Context, do func(context.Context, [][]byte, *lines) error) error {
	connections := newLines(u.target, u.to)
	defer connections.drop()
	for _, node := range u.target.layout.Load().nodes {
		l := listing{server: u.target, side: u.scope.target(), database: u.to, node: node, retry: u.retry}
		err := l.run(ctx, "0", func(p page) error {
			err := do(ctx, p.keys, connections)
			return u.target.failed("removing keys of", err)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// unlink removes keys without making the server wait for their memory.
func unlink(ctx context.Context, keys [][]byte, connections *lines) error {
	asked := make([]*wire, len(keys))
	for i, key := range keys {
		w, err := connections.of(ctx, key)
		if err != nil {
			return err
		}
		w.begin(2)
		w.text("UNLINK")
		w.arg(key)
		asked[i] = w
	}
	if err := connections.flush(); err != nil {
		return err
	}
	for _, w := range asked {
		if err := w.ok(); err != nil {
			return err
		}
	}
	return nil
}
