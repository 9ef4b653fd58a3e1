package mysql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rewriter turns definitions of the source into what the target understands,
// and remembers what was lost on the way.
type rewriter struct {
	from, to *server
	// definer is the account, as SQL, that stands in for every definer; ""
	// keeps them.
	definer string
	notKept map[string]bool
	// mapped are collations that became others.
	mapped map[string]string
}

func newRewriter(from, to *server, definer string) *rewriter {
	return &rewriter{from: from, to: to, definer: definer, notKept: map[string]bool{}, mapped: map[string]string{}}
}

// lost gives what was not kept, one sentence each.
func (r *rewriter) lost() []string {
	var all []string
	for sentence := range r.notKept {
		all = append(all, sentence)
	}
	for from, to := range r.mapped {
		all = append(all, fmt.Sprintf("collation %s: the target does not know it, %s stands in", from, to))
	}
	slices.Sort(all)
	return all
}

// table gives the statement that makes a table on the target.
func (r *rewriter) table(create string) string {
	create = r.collations(create)
	d, err := parseDefinition(create)
	if err != nil {
		return create
	}
	d.tail = r.options(d.tail)
	r.translate(d)
	return d.bare(func(part) bool { return true })
}

// object gives the statement that makes a view, routine, trigger or event.
func (r *rewriter) object(o object) object {
	o.Create = r.collations(o.Create)
	if r.definer != "" {
		o.Create = rewriteDefiner(o.Create, r.definer)
	}
	if mapped := r.collation(o.Connection); mapped != "" {
		o.Connection = mapped
	}
	return o
}

var collationWord = regexp.MustCompile(`(?i)^COLLATE[ =]+([a-z0-9_]+)`)

// collations replaces the names that the target does not know, outside
// quotes.
func (r *rewriter) collations(create string) string {
	var out strings.Builder
	copied := 0
	scan(create, func(i, _ int) bool {
		if (create[i] != 'C' && create[i] != 'c') || i < copied {
			return true
		}
		found := collationWord.FindStringSubmatchIndex(create[i:])
		if found == nil {
			return true
		}
		old := create[i+found[2] : i+found[3]]
		if mapped := r.collation(old); mapped != "" {
			out.WriteString(create[copied : i+found[2]])
			out.WriteString(mapped)
			copied = i + found[3]
		}
		return true
	})
	out.WriteString(create[copied:])
	return out.String()
}

// collation gives what stands in for a collation that the target does not
// know, "" for one that it does.
func (r *rewriter) collation(old string) string {
	lower := strings.ToLower(old)
	if lower == "" || r.to.collations[lower] {
		return ""
	}
	for _, candidate := range standIns(lower) {
		if r.to.collations[candidate] {
			r.mapped[lower] = candidate
			return candidate
		}
	}
	return ""
}

// standIns are the nearest collations of other products, best first: what is
// equal and how it is ordered differ as little as possible.
func standIns(collation string) []string {
	charset, rest, _ := strings.Cut(collation, "_")
	if rest == "bin" || strings.HasSuffix(rest, "_bin") {
		return []string{charset + "_0900_bin", charset + "_nopad_bin", charset + "_bin"}
	}
	padded := strings.ReplaceAll(collation, "_nopad", "")
	list := []string{padded}
	suffix := "ai_ci"
	if found := unicodeCollation.FindStringSubmatch(rest); found != nil {
		language := found[1]
		suffix = found[3]
		list = nil
		if other := languages[strings.Trim(language, "_")]; other != "" {
			list = append(list, charset+"_uca1400_"+other+"_nopad_"+suffix, charset+"_uca1400_"+other+"_"+suffix, charset+"_"+other+"_ci")
		}
		// In these, unlike in those of before, a space at the end counts.
		list = append(list, charset+"_uca1400_nopad_"+suffix, charset+"_uca1400_"+suffix)
	} else if found := ucaCollation.FindStringSubmatch(rest); found != nil {
		suffix = found[3]
		for code, other := range languages {
			if other == strings.Trim(found[1], "_") {
				list = append(list, charset+"_"+code+"_0900_"+suffix)
			}
		}
	} else if strings.HasSuffix(rest, "_cs") {
		suffix = "as_cs"
	}
	list = append(list, charset+"_uca1400_"+suffix, charset+"_0900_"+suffix)
	if suffix == "as_cs" {
		return append(list, charset+"_bin")
	}
	return append(list, charset+"_unicode_520_ci", charset+"_unicode_ci", charset+"_general_ci")
}

// How MySQL and MariaDB name the collations of newer versions of Unicode: with
// a language or without, and what counts.
var (
	unicodeCollation = regexp.MustCompile(`^([a-z_]+_)?(0900)_([a-z_]+)$`)
	ucaCollation     = regexp.MustCompile(`^uca1400_([a-z0-9]+_)??(nopad_)?((?:ai|as)_(?:ci|cs))$`)
)

// languages are MySQL's codes and MariaDB's names.
var languages = map[string]string{
	"cs": "czech", "da": "danish", "de_pb": "german2", "eo": "esperanto", "es": "spanish", "es_trad": "spanish2", "et": "estonian",
	"hr": "croatian", "hu": "hungarian", "is": "icelandic", "la": "roman", "lt": "lithuanian", "lv": "latvian", "pl": "polish",
	"ro": "romanian", "sk": "slovak", "sl": "slovenian", "sv": "swedish", "tr": "turkish", "vi": "vietnamese",
}

// foreignOptions are table options that the other product refuses, and those
// that name folders of the source's machine.
var foreignOptions = []struct {
	pattern *regexp.Regexp
	// only says for which target it is dropped: "mysql", "mariadb", "" for
	// both.
	only, what string
}{
	{regexp.MustCompile("(?i)\\s+`?(PAGE_COMPRESSED|PAGE_COMPRESSION_LEVEL|ENCRYPTED|ENCRYPTION_KEY_ID|PAGE_CHECKSUM|TRANSACTIONAL|IETF_QUOTES|SEQUENCE)`?=('[^']*'|\\w+)"), "mysql", "table option $1"},
	{regexp.MustCompile(`(?i)\s+(ENCRYPTION|COMPRESSION|AUTOEXTEND_SIZE|ENGINE_ATTRIBUTE|SECONDARY_ENGINE|SECONDARY_ENGINE_ATTRIBUTE)=('[^']*'|\w+)`), "mariadb", "table option $1"},
	{regexp.MustCompile(`(?i)\s+(DATA DIRECTORY|INDEX DIRECTORY)\s*=\s*'[^']*'`), "", "table option $1"},
	{regexp.MustCompile("(?i)/\\*![0-9]+ TABLESPACE `[^`]+` \\*/"), "", "tablespaces"},
}

// options rewrites what comes after a table's list of columns.
func (r *rewriter) options(tail string) string {
	product := "mysql"
	if r.to.mariadb {
		product = "mariadb"
	}
	for _, o := range foreignOptions {
		if o.only != "" && (o.only != product || r.from.mariadb == r.to.mariadb) {
			continue
		}
		for _, found := range o.pattern.FindAllStringSubmatchIndex(tail, -1) {
			r.notKept[string(o.pattern.ExpandString(nil, o.what, tail, found))] = true
		}
		tail = o.pattern.ReplaceAllString(tail, "")
	}
	if !r.to.mariadb {
		tail = regexp.MustCompile(`(?i)ENGINE=Aria`).ReplaceAllString(tail, "ENGINE=InnoDB")
	}
	return tail
}
