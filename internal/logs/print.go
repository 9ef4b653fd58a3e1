package logs

import (
	"encoding/json"
	"hash/fnv"
	"io"
	"time"
	"unicode/utf8"
)

// PrintOptions are the form of printed lines.
type PrintOptions struct {
	// JSON prints one object a line: time, component, pod, container, text, and
	// mark for remarks.
	JSON bool
	// Color tells components apart by colour.
	Color bool
	// Timestamps puts each line's time before it.
	Timestamps bool
	// Remarks takes marks, so that out holds the containers' output only.
	// Without it, and always with JSON, they go where the lines go.
	Remarks io.Writer
}

// Printer is a Sink that writes lines for people or programs.
type Printer struct {
	out      io.Writer
	opts     PrintOptions
	buf      []byte
	prefixes map[*Origin][]byte
	colors   map[string]int
	width    int
	recent   struct {
		second int64
		text   []byte
	}
}

// printBuffer is how much is collected before it is written, in bytes.
const printBuffer = 64 << 10

// NewPrinter makes a printer to out.
func NewPrinter(out io.Writer, opts PrintOptions) *Printer {
	return &Printer{
		out: out, opts: opts, buf: make([]byte, 0, printBuffer+chunkSize),
		prefixes: map[*Origin][]byte{}, colors: map[string]int{},
	}
}

// Write prints lines, some of them later.
func (p *Printer) Write(lines []Line) error {
	for i := range lines {
		if err := p.line(&lines[i]); err != nil {
			return err
		}
	}
	if len(p.buf) >= printBuffer {
		return p.Flush()
	}
	return nil
}

func (p *Printer) line(l *Line) error {
	switch {
	case p.opts.JSON:
		p.buf = AppendJSON(p.buf, l)
	case l.Mark != "":
		return p.mark(l)
	default:
		p.buf = append(p.buf, p.prefix(l.Origin)...)
		if p.opts.Timestamps {
			p.buf = append(p.appendTime(p.buf, l.At), ' ')
		}
		p.buf = append(append(p.buf, l.Text...), '\n')
	}
	return nil
}

// mark prints a remark, in its place among the lines.
func (p *Printer) mark(l *Line) error {
	text := make([]byte, 0, 200)
	if p.opts.Color {
		text = append(text, "\x1b[33m"...)
	}
	text = append(text, "--- "...)
	if l.Origin != nil {
		text = append(append(text, l.Origin.String()...), ": "...)
	}
	text = append(append(text, l.Text...), " ---"...)
	if p.opts.Color {
		text = append(text, "\x1b[0m"...)
	}
	text = append(text, '\n')
	if p.opts.Remarks == nil {
		p.buf = append(p.buf, text...)
		return nil
	}
	if err := p.Flush(); err != nil {
		return err
	}
	_, err := p.opts.Remarks.Write(text)
	return err
}

// Flush writes what was printed so far.
func (p *Printer) Flush() error {
	if len(p.buf) == 0 {
		return nil
	}
	_, err := p.out.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// CaughtUp is of no interest to a printer.
func (p *Printer) CaughtUp() error { return nil }

// palette are SGR colours that can be read on dark and light grounds.
var palette = []string{"36", "33", "32", "35", "34", "96", "92", "95", "94", "31"}

// maxWidth bounds the padding of prefixes, in bytes.
const maxWidth = 40

// prefix names the line's origin, padded to the widest so far.
func (p *Printer) prefix(o *Origin) []byte {
	if prefix, ok := p.prefixes[o]; ok {
		return prefix
	}
	name := ""
	if o != nil {
		name = o.String()
	}
	if w := min(len(name), maxWidth); w > p.width {
		p.width = w
		clear(p.prefixes)
	}
	var prefix []byte
	if p.opts.Color {
		prefix = append(append(append(prefix, "\x1b["...), palette[p.color(o)]...), 'm')
	}
	prefix = append(prefix, name...)
	for i := len(name); i < p.width; i++ {
		prefix = append(prefix, ' ')
	}
	if p.opts.Color {
		prefix = append(prefix, "\x1b[0m"...)
	}
	prefix = append(prefix, ' ')
	p.prefixes[o] = prefix
	return prefix
}

// color picks a component's colour: the same in every run where no two
// components want one.
func (p *Printer) color(o *Origin) int {
	name := ""
	if o != nil {
		if name = o.Component; name == "" {
			name = o.Pod
		}
	}
	if i, ok := p.colors[name]; ok {
		return i
	}
	hash := fnv.New32a()
	hash.Write([]byte(name))
	taken := map[int]bool{}
	for _, i := range p.colors {
		taken[i] = true
	}
	i := int(hash.Sum32() % uint32(len(palette)))
	for n := 0; taken[i] && n < len(palette); n++ {
		i = (i + 1) % len(palette)
	}
	p.colors[name] = i
	return i
}

// appendTime appends the time in UTC with nine digits of fraction.
func (p *Printer) appendTime(b []byte, at int64) []byte {
	second, fraction := at/int64(time.Second), at%int64(time.Second)
	if p.recent.text == nil || second != p.recent.second {
		p.recent.second = second
		p.recent.text = time.Unix(second, 0).UTC().AppendFormat(p.recent.text[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, p.recent.text...)
	for unit := int64(time.Second) / 10; unit > 0; unit /= 10 {
		b = append(b, byte('0'+fraction/unit%10))
	}
	return append(b, 'Z')
}

// AppendJSON appends the line as one JSON object and a newline.
func AppendJSON(b []byte, l *Line) []byte {
	b = append(b, `{"time":"`...)
	b = l.Time().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	b = append(b, '"')
	if o := l.Origin; o != nil {
		for _, f := range [...]struct{ name, value string }{{"component", o.Component}, {"pod", o.Pod}, {"container", o.Container}} {
			if f.value != "" {
				b = append(append(append(b, `,"`...), f.name...), `":`...)
				b = appendString(b, []byte(f.value))
			}
		}
	}
	if l.Mark != "" {
		b = append(append(append(b, `,"mark":"`...), l.Mark...), '"')
	}
	b = append(b, `,"text":`...)
	b = appendString(b, l.Text)
	return append(b, '}', '\n')
}

// appendString appends text as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func appendString(b, text []byte) []byte {
	for _, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(string(text))
			if err != nil { // strings always marshal
				quoted = []byte(`""`)
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
