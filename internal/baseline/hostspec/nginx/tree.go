// Package nginx reads nginx configuration: the tree of directives with its
// includes, and from it servers, locations, upstreams, settings and modules. It
// knows the configuration's text only, never a running nginx, and does no I/O:
// files come as a map or as the dump of `nginx -T`.
//
// Start at ParseDump or Parse, then Read.
package nginx

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	crossplane "github.com/nginxinc/nginx-go-crossplane"
)

// Bounds against hostile configuration. The largest seen in the wild are two
// orders of magnitude smaller.
const (
	maxDepth      = 32
	maxDirectives = 200_000
	maxFiles      = 5_000 // each counted as often as it is included
	maxProblems   = 50
)

var errTooMany = fmt.Errorf("more than %d directives or %d included files", maxDirectives, maxFiles)

// Directive of a configuration, its includes already in place.
type Directive struct {
	Name string
	// Args without quotes.
	Args []string
	// Block is what stands in braces; Braces tells an empty block from none.
	Block  []Directive
	Braces bool
	// File and Line of its name.
	File string
	Line int
}

// Arg gives the argument at i, or "".
func (d Directive) Arg(i int) string {
	if i < len(d.Args) {
		return d.Args[i]
	}
	return ""
}

// text is the directive on one line, without its block.
func (d Directive) text() string {
	line := shown(d.Name)
	for _, word := range d.Args {
		line += " " + shown(word)
	}
	return line
}

// shown gives an empty word, such as the key of a map, something to see.
func shown(word string) string {
	if word == "" {
		return "''"
	}
	return word
}

// Files of a configuration: contents by absolute path.
type Files map[string]string

// Tree is a whole configuration.
type Tree struct {
	// Main is the path of the main configuration file.
	Main       string
	Directives []Directive
	// Problems say what could not be read, such as a missing include; what is
	// around it was read.
	Problems []error
}

// Parse reads the configuration that starts at the file main. The function
// complete says whether files has all that match an include's pattern, so that
// none is not mistaken for unknown; nil stands for always.
func Parse(main string, files Files, complete func(pattern string) bool) (*Tree, error) {
	p := &parser{files: files, complete: complete, folder: path.Dir(main), tree: &Tree{Main: main}}
	directives, err := p.file(main, 0)
	if err != nil {
		return nil, fmt.Errorf("reading nginx configuration %s: %w", main, err)
	}
	p.tree.Directives = directives
	return p.tree, nil
}

const dumpMark = "# configuration file "

// ParseDump reads what `nginx -T` wrote to its standard output.
func ParseDump(dump string) (*Tree, error) {
	main, files := splitDump(dump)
	if main == "" {
		return nil, errors.New("reading nginx configuration: no configuration in the output of nginx -T")
	}
	return Parse(main, files, nil)
}

// splitDump cuts the dump at the lines that name a file; the first is the main
// configuration.
func splitDump(dump string) (main string, files Files) {
	files = Files{}
	current := ""
	var content strings.Builder
	flush := func() {
		if _, known := files[current]; current != "" && !known {
			files[current] = content.String()
		}
		content.Reset()
	}
	for line := range strings.Lines(dump) {
		name, mark := strings.CutPrefix(strings.TrimRight(line, "\r\n"), dumpMark)
		if mark && strings.HasPrefix(name, "/") && strings.HasSuffix(name, ":") {
			flush()
			current = strings.TrimSuffix(name, ":")
			if main == "" {
				main = current
			}
			continue
		}
		content.WriteString(line)
	}
	flush()
	return main, files
}

type parser struct {
	files    Files
	complete func(pattern string) bool
	folder   string // relative includes start here, also those in other folders
	open     []string
	count    int // of directives
	opened   int // files
	tree     *Tree
}

func (p *parser) file(name string, depth int) ([]Directive, error) {
	content, known := p.files[name]
	if !known {
		return nil, fmt.Errorf("%s was not read", name)
	}
	if slices.Contains(p.open, name) {
		return nil, fmt.Errorf("%s includes itself", name)
	}
	if p.opened++; p.opened > maxFiles {
		return nil, errTooMany
	}
	p.open = append(p.open, name)
	defer func() { p.open = p.open[:len(p.open)-1] }()

	// crossplane's lexer knows the rules of quoting; its parser is not used, as
	// it recurses without bound and reads a file that is included twice in the
	// context of the first place only.
	tokens := crossplane.LexWithOptions(strings.NewReader(content), crossplane.LexOptions{
		Lexers: []crossplane.RegisterLexer{(&crossplane.Lua{}).RegisterLexer()},
	})
	defer func() {
		for range tokens { // lets the lexer's goroutine end
		}
	}()
	return p.block(tokens, name, depth)
}

// block reads directives until the brace that closes it, or the end of the file.
func (p *parser) block(tokens <-chan crossplane.NgxToken, file string, depth int) ([]Directive, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s: blocks and includes are nested more than %d deep", file, maxDepth)
	}
	var read []Directive
	for {
		directive, end, err := p.statement(tokens, file)
		if err != nil {
			return read, err
		}
		if end == atEnd || end == atClose {
			return read, nil
		}
		if end == atOpen {
			directive.Braces = true
			if directive.Block, err = p.block(tokens, file, depth+1); err != nil {
				return read, err
			}
		}
		if directive.Name == "include" && end == atSemicolon {
			read = append(read, p.include(directive, depth)...)
			continue
		}
		if p.count++; p.count > maxDirectives {
			return read, errTooMany
		}
		read = append(read, directive)
	}
}

type ending int

const (
	atEnd ending = iota
	atSemicolon
	atOpen
	atClose
)

func (p *parser) statement(tokens <-chan crossplane.NgxToken, file string) (Directive, ending, error) {
	directive := Directive{File: file}
	named := false
	for token := range tokens {
		switch {
		case token.Error != nil:
			return directive, atEnd, fmt.Errorf("%s:%d: %w", file, token.Line, token.Error)
		case token.IsQuoted:
		case strings.HasPrefix(token.Value, "#"):
			continue
		case token.Value == ";" && named:
			return directive, atSemicolon, nil
		case token.Value == "{" && named:
			return directive, atOpen, nil
		case token.Value == "}" && !named:
			return directive, atClose, nil
		case token.Value == ";" || token.Value == "{" || token.Value == "}":
			return directive, atEnd, fmt.Errorf("%s:%d: unexpected %q", file, token.Line, token.Value)
		}
		if !named {
			directive.Name, directive.Line, named = token.Value, token.Line, true
			continue
		}
		directive.Args = append(directive.Args, unescape(token.Value))
	}
	if named {
		return directive, atEnd, fmt.Errorf("%s:%d: %q is not ended", file, directive.Line, directive.Name)
	}
	return directive, atEnd, nil
}

// unescape follows ngx_conf_read_token: these sequences only, any other
// backslash stays.
var unescape = strings.NewReplacer(`\"`, `"`, `\'`, `'`, `\\`, `\`, `\t`, "\t", `\r`, "\r", `\n`, "\n").Replace

func (p *parser) include(directive Directive, depth int) []Directive {
	pattern := directive.Arg(0)
	if !path.IsAbs(pattern) {
		pattern = path.Join(p.folder, pattern)
	}
	if isGlob(pattern) && p.complete != nil && !p.complete(pattern) {
		p.problem(fmt.Errorf("%s:%d: include %s: not among the files that were read", directive.File, directive.Line, directive.Arg(0)))
	}
	var read []Directive
	for _, name := range p.matching(pattern) {
		directives, err := p.file(name, depth+1)
		if err != nil {
			p.problem(fmt.Errorf("%s:%d: include %s: %w", directive.File, directive.Line, directive.Arg(0), err))
		}
		read = append(read, directives...)
	}
	return read
}

// problem is kept once, so that a file that many others include is not named
// again and again.
func (p *parser) problem(err error) {
	if len(p.tree.Problems) == maxProblems {
		return
	}
	for _, known := range p.tree.Problems {
		if known.Error() == err.Error() {
			return
		}
	}
	p.tree.Problems = append(p.tree.Problems, err)
}

func isGlob(pattern string) bool { return strings.ContainsAny(pattern, "*?[") }

// matching gives the files of an include, sorted as by glob(3). A pattern may
// match none; a plain name must be there.
func (p *parser) matching(pattern string) []string {
	if !isGlob(pattern) {
		return []string{pattern}
	}
	var names []string
	for name := range p.files {
		if ok, err := path.Match(pattern, name); ok && err == nil && !hiddenFrom(pattern, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// hiddenFrom says that glob(3) passes over a file whose name starts with a dot,
// unless the pattern's does.
func hiddenFrom(pattern, name string) bool {
	return strings.HasPrefix(path.Base(name), ".") && !strings.HasPrefix(path.Base(pattern), ".")
}
