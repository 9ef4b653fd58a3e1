package capture

import (
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// Bounds of what is parsed of one script. The parser recurses; with these it
// never needs more than some megabytes of stack, whatever a file holds.
const (
	maxScript  = 64 << 10
	maxOpeners = 5_000
	maxQuoted  = 4 // scripts in arguments of scripts
)

// shellOpeners begin what can be nested.
var shellOpeners = regexp.MustCompile("[({`|&]|\\b(?:if|while|until|for|case|time|coproc)\\b")

// shellCalls gives the commands that shell code calls, in its order, without
// those of the shell itself and its own functions. Code that does not parse
// gives what stands before the error.
func shellCalls(code string) []string {
	c := &callFinder{functions: map[string]bool{}}
	c.script(code, 0)
	return slices.DeleteFunc(c.found, func(name string) bool { return c.functions[name] })
}

type callFinder struct {
	found     []string
	functions map[string]bool
}

func (c *callFinder) script(code string, quoted int) {
	code = code[:min(len(code), maxScript)]
	if quoted > maxQuoted || len(shellOpeners.FindAllStringIndex(code, maxOpeners)) == maxOpeners {
		return
	}
	defer func() {
		_ = recover() // a bug of the parser on odd code costs that code's calls, no more
	}()
	visit := func(node syntax.Node) bool {
		switch node := node.(type) {
		case *syntax.FuncDecl:
			if node.Name != nil { // nil for several names, of zsh
				c.functions[node.Name.Value] = true
			}
		case *syntax.CallExpr:
			c.call(literals(node.Args), quoted)
		}
		return true
	}
	// An error ends the code.
	for statement, err := range syntax.NewParser(syntax.Variant(syntax.LangBash)).StmtsSeq(strings.NewReader(code)) {
		if err != nil {
			break
		}
		syntax.Walk(statement, visit)
	}
}

// literals gives words as text; one that is not known before the script runs
// is empty.
func literals(words []*syntax.Word) []string {
	texts := make([]string, len(words))
	for i, word := range words {
		texts[i] = literal(word.Parts)
	}
	return texts
}

func literal(parts []syntax.WordPart) string {
	if len(parts) != 1 {
		return ""
	}
	switch part := parts[0].(type) {
	case *syntax.Lit:
		return part.Value
	case *syntax.SglQuoted:
		return part.Value
	case *syntax.DblQuoted:
		return literal(part.Parts)
	}
	return ""
}

// wrapper is a command whose arguments hold another command.
type wrapper struct {
	// valued are options that are followed by a value.
	valued string
	// positional arguments stand before the command.
	positional int
}

var wrappers = map[string]wrapper{
	"sudo": {valued: "ugphCrtTDR"}, "doas": {valued: "uC"}, "env": {valued: "uCS"}, "nice": {valued: "n"}, "ionice": {valued: "cnpPu"},
	"nohup": {}, "time": {valued: "fo"}, "exec": {valued: "a"}, "command": {}, "builtin": {}, "setsid": {}, "stdbuf": {valued: "ioe"},
	"timeout": {valued: "sk", positional: 1}, "flock": {valued: "wE", positional: 1}, "xargs": {valued: "nPILdasE"},
	"chroot": {positional: 1}, "runuser": {valued: "ug"}, "chronic": {}, "systemd-run": {valued: "upM"}, "start-stop-daemon": {},
}

// shells take code as the argument after -c.
var shells = map[string]bool{"sh": true, "bash": true, "dash": true, "ash": true, "su": true, "runuser": true, "flock": true}

var commandName = regexp.MustCompile(`^[A-Za-z0-9_/][A-Za-z0-9_.+/-]*$`)

// call takes the words of a simple command.
func (c *callFinder) call(words []string, quoted int) {
	if len(words) == 0 || !commandName.MatchString(words[0]) {
		return
	}
	name := words[0]
	base := name[strings.LastIndexByte(name, '/')+1:]
	if !builtins[name] {
		c.found = append(c.found, name)
	}
	switch {
	case shells[base] && slices.ContainsFunc(words, isCodeOption):
		c.code(words, slices.IndexFunc(words, isCodeOption)+1, quoted)
	case base == "trap" || base == "eval":
		c.code(words, 1, quoted)
	case base == "find":
		for i, word := range words {
			if word == "-exec" || word == "-execdir" || word == "-ok" {
				c.call(words[i+1:], quoted)
			}
		}
	default:
		if w, wraps := wrappers[base]; wraps {
			c.call(w.inner(words[1:]), quoted)
		}
	}
}

// isCodeOption says that code follows: -c, also as the last of several letters.
func isCodeOption(word string) bool {
	return len(word) > 1 && len(word) < 6 && word[0] == '-' && word[1] != '-' && strings.HasSuffix(word, "c")
}

func (c *callFinder) code(words []string, at, quoted int) {
	if at < len(words) {
		c.script(words[at], quoted+1)
	}
}

// inner gives the wrapped command: what stands behind options, assignments and
// positional arguments.
func (w wrapper) inner(words []string) []string {
	positional := w.positional
	for len(words) > 0 {
		word := words[0]
		switch {
		case word == "-v" || word == "-V":
			return nil // command -v asks, and does not call
		case len(word) == 2 && word[0] == '-' && strings.Contains(w.valued, word[1:]):
			words = words[min(2, len(words)):]
			continue
		case strings.HasPrefix(word, "-") || strings.Contains(word, "="):
		case positional > 0:
			positional--
		default:
			return words
		}
		words = words[1:]
	}
	return nil
}
