package s3

// match is an object of the source with that of the target under the same
// key; one of them may be missing.
type match struct {
	source, target *object
}

// matches walks both listings side by side. It is given page after page of the
// source, so that the taker can note how far it came; extras of the target
// come with the page they sort into. A target of nil has no objects. until is
// the key of the source's last object of the page, "" in the last.
func matches(source, target *reading, take func(found []match, until string, end bool) error) error {
	theirs := &cursor{reading: target, done: target == nil}
	for {
		p, more := source.next()
		if p.err != nil {
			return p.err
		}
		if !more {
			break
		}
		found, err := theirs.pair(p.objects)
		if err != nil {
			return err
		}
		if len(p.objects) == 0 {
			continue
		}
		if err := take(found, p.objects[len(p.objects)-1].key, false); err != nil {
			return err
		}
	}
	for {
		rest, err := theirs.rest()
		if err != nil {
			return err
		}
		if len(rest) == 0 {
			return take(nil, "", true)
		}
		if err := take(rest, "", false); err != nil {
			return err
		}
	}
}

// cursor goes through the target's listing.
type cursor struct {
	reading *reading
	open    []object
	done    bool
}

// fill has at least one object open unless the listing is at its end.
func (c *cursor) fill() error {
	for len(c.open) == 0 && !c.done {
		p, more := c.reading.next()
		if p.err != nil {
			return p.err
		}
		c.open, c.done = p.objects, !more
	}
	return nil
}

// pair finds the counterparts of a page, and what the target has between.
func (c *cursor) pair(objects []object) ([]match, error) {
	found := make([]match, 0, len(objects))
	for i := range objects {
		o := &objects[i]
		for {
			if err := c.fill(); err != nil {
				return nil, err
			}
			if len(c.open) == 0 || c.open[0].key >= o.key {
				break
			}
			found = append(found, match{target: &c.open[0]})
			c.open = c.open[1:]
		}
		if len(c.open) > 0 && c.open[0].key == o.key {
			found = append(found, match{source: o, target: &c.open[0]})
			c.open = c.open[1:]
			continue
		}
		found = append(found, match{source: o})
	}
	return found, nil
}

// rest gives what the target has behind the source's last object, a page at a
// time.
func (c *cursor) rest() ([]match, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	found := make([]match, len(c.open))
	for i := range c.open {
		found[i] = match{target: &c.open[i]}
	}
	c.open = nil
	return found, nil
}
