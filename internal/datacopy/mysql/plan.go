package mysql

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql/wire"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// detail is what a plan holds for Copy.
type detail struct {
	Schema *schema `json:"schema"`
	// Drop names what of the target goes first, as "TABLE x".
	Drop []object `json:"drop,omitempty"`
	// ChunkBytes is about the size of a chunk.
	ChunkBytes int64 `json:"chunkBytes"`
	// Resumes says that the target holds what an earlier copy left incomplete.
	Resumes bool `json:"resumes,omitempty"`
}

// defaultChunk is small enough for several at once in memory, and large enough
// for commits and look-ups not to count.
const defaultChunk = 8 << 20

// typicalRate is for the estimate, in bytes of data a second.
const typicalRate = 40 << 20

// Plan implements datacopy.Engine.
func (e *Engine) Plan(ctx context.Context, req datacopy.Request) (*datacopy.Plan, error) {
	p := &planner{req: req, plan: datacopy.NewPlan(req), detail: detail{ChunkBytes: req.ChunkBytes}}
	if p.detail.ChunkBytes == 0 {
		p.detail.ChunkBytes = defaultChunk
	}
	for _, step := range []func(context.Context) error{p.look, p.choose, p.subset, p.rewrite, p.mask, p.compare, p.check} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p.finish()
}

// planner collects a plan.
type planner struct {
	req      datacopy.Request
	plan     *datacopy.Plan
	detail   detail
	from, to *server
	source   *schema
	target   *schema
	// account is the target's user, quoted.
	account string
	// fromRights and toRights are what the users may do.
	fromRights, toRights rights
}

// look reads both sides.
func (p *planner) look(ctx context.Context) error {
	var err error
	if p.from, err = open(ctx, p.req.From, "source"); err != nil {
		return err
	}
	if p.to, err = open(ctx, p.req.To, "target"); err != nil {
		return err
	}
	if p.source, p.fromRights, _, err = p.from.now(ctx); err != nil {
		return err
	}
	p.target, p.toRights, p.account, err = p.to.now(ctx)
	return err
}

// now reads the schema, and whom the server takes us for, over a connection of
// its own.
func (s *server) now(ctx context.Context) (there *schema, may rights, account string, err error) {
	err = defaultPulse.attend(ctx, progress.Discard.Note, func(ctx context.Context) error {
		conn, err := s.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if may, err = s.rights(ctx, conn); err != nil {
			return err
		}
		if account, err = s.account(ctx, conn); err != nil {
			return err
		}
		there, err = s.readSchema(ctx, conn)
		return err
	}, s)
	return there, may, account, err
}

// schemaNow reads the schema over a connection of its own.
func (s *server) schemaNow(ctx context.Context) (*schema, error) {
	there, _, _, err := s.now(ctx)
	return there, err
}

// account is the user that the server took us for, quoted.
func (s *server) account(ctx context.Context, conn *wire.Conn) (string, error) {
	rows, err := conn.All(ctx, "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', LENGTH(CURRENT_USER()) - LENGTH(REPLACE(CURRENT_USER(), '@', ''))), SUBSTRING_INDEX(CURRENT_USER(), '@', -1)")
	if err != nil {
		return "", fmt.Errorf("asking the %s for the account: %w", s.side, err)
	}
	return name(rows[0][0].Value) + "@" + name(rows[0][1].Value), nil
}

// choose keeps the tables that are meant. With only some of them, other
// objects stay away: they may need what is not there.
func (p *planner) choose(context.Context) error {
	wanted, err := p.req.Names()
	if err != nil {
		return err
	}
	kept := *p.source
	kept.Tables = nil
	for _, t := range p.source.Tables {
		if wanted.Has(t.Name) {
			kept.Tables = append(kept.Tables, t)
		}
	}
	if err := wanted.Conclude(p.plan, "tables", true); err != nil {
		return err
	}
	if len(kept.Tables) < len(p.source.Tables) {
		others := len(kept.Views) + len(kept.Routines) + len(kept.Triggers) + len(kept.Events) + len(kept.Sequences)
		kept.Views, kept.Routines, kept.Triggers, kept.Events, kept.Sequences = nil, nil, nil, nil, nil
		if others > 0 {
			p.plan.NotKept = append(p.plan.NotKept, fmt.Sprintf("%d views, routines, triggers, events and sequences: only some tables are copied", others))
		}
		p.warnForeign(&kept)
	}
	p.detail.Schema = &kept
	return nil
}

// warnForeign tells of foreign keys to tables that will not be there.
func (p *planner) warnForeign(kept *schema) {
	for _, t := range kept.Tables {
		for _, key := range t.Foreign {
			if kept.table(key.Table) == nil && p.target.table(key.Table) == nil {
				p.plan.Warnings = append(p.plan.Warnings, fmt.Sprintf("a foreign key of %s refers to table %s, which is neither copied nor there", t.Name, key.Table))
			}
		}
	}
}

// subset makes each table's condition: its own, and that what its foreign keys
// refer to is copied too.
func (p *planner) subset(context.Context) error {
	for table := range p.req.Subset {
		if p.detail.Schema.table(table) == nil {
			return fault.New(fault.Invalid, "Name a table of the source.", "planning the copy: a subset is given for %s, which is not copied", table)
		}
	}
	if len(p.req.Subset) == 0 {
		return nil
	}
	done, under := map[string]bool{}, map[string]bool{}
	var visit func(t *table)
	visit = func(t *table) {
		if done[t.Name] || under[t.Name] {
			return
		}
		under[t.Name] = true
		conditions := []string{p.req.Subset[t.Name]}
		for _, key := range t.Foreign {
			parent := p.detail.Schema.table(key.Table)
			if parent == nil || parent == t {
				continue
			}
			visit(parent)
			conditions = append(conditions, p.follows(t, parent, key))
		}
		t.Where = strings.TrimPrefix(where(conditions...), " WHERE ")
		done[t.Name] = true
	}
	for _, t := range p.detail.Schema.Tables {
		visit(t)
	}
	return nil
}

// follows is the condition that a foreign key's row is copied, "" when every
// row is.
func (p *planner) follows(t, parent *table, key parent) string {
	if parent.Where == "" {
		return ""
	}
	var nulls, equal []string
	for i, column := range key.Columns {
		nulls = append(nulls, name(t.Name)+"."+name(column)+" IS NULL")
		equal = append(equal, name(parent.Name)+"."+name(key.Referenced[i])+" = "+name(t.Name)+"."+name(column))
	}
	return fmt.Sprintf("%s OR EXISTS (SELECT 1 FROM %s WHERE %s AND (%s))",
		strings.Join(nulls, " OR "), name(parent.Name), strings.Join(equal, " AND "), parent.Where)
}

// rewrite makes the statements for the target.
func (p *planner) rewrite(context.Context) error {
	for option := range p.req.Options {
		if option != "definer" {
			return fault.New(fault.Invalid, "MySQL knows definer.", "planning the copy: option %s is unknown", option)
		}
	}
	account := p.account
	switch p.req.Options["definer"] {
	case "", "target":
	case "keep":
		account = ""
	default:
		return fault.New(fault.Invalid, "Use target or keep.", "planning the copy: option definer=%s is unknown", p.req.Options["definer"])
	}
	r := newRewriter(p.from, p.to, account)
	s := p.detail.Schema
	for _, t := range s.Tables {
		t.Make = r.table(t.Create)
		p.plan.Blockers = append(p.plan.Blockers, r.unfit(t)...)
		for _, key := range t.Key {
			if c := t.column(key); c.Collation != "" && r.collation(c.Collation) != "" {
				t.Whole = true
			}
		}
	}
	for _, objects := range [][]object{s.Views, s.Routines, s.Triggers, s.Events} {
		for i := range objects {
			objects[i] = r.object(objects[i])
		}
	}
	if mapped := r.collation(s.Collation); mapped != "" {
		s.Collation = mapped
	}
	if !p.to.mariadb && len(s.Sequences) > 0 {
		p.plan.NotKept = append(p.plan.NotKept, fmt.Sprintf("%d sequences: MySQL has none", len(s.Sequences)))
		s.Sequences = nil
	}
	p.plan.NotKept = append(p.plan.NotKept, r.lost()...)
	return nil
}

// mask asks the mask what it changes of each table.
func (p *planner) mask(context.Context) error {
	if p.req.Mask == nil {
		return nil
	}
	for _, t := range p.detail.Schema.Tables {
		masked, err := p.req.Mask.Rows(t.Name, t.described())
		if err != nil {
			return fmt.Errorf("planning the mask of table %s: %w", t.Name, err)
		}
		if masked == nil {
			continue
		}
		columns := t.stored()
		for _, position := range masked.Reads() {
			columns[position].printed()
		}
		for _, position := range masked.Columns() {
			c := columns[position]
			c.asText()
			c.Masked = true
			if slices.Contains(t.Key, c.Name) {
				t.Whole = true
			}
		}
	}
	return nil
}

// described tells a mask of the columns that are copied.
func (t *table) described() []datacopy.Column {
	var columns []datacopy.Column
	for _, c := range t.stored() {
		d := datacopy.Column{
			Name: c.Name, Type: c.Type, Nullable: c.Nullable, Unique: c.Unique,
			Binary: c.Charset == "" && (slices.Contains(texts, c.Data) || strings.HasSuffix(c.Data, "blob")),
		}
		for _, key := range t.Foreign {
			if len(key.Columns) == 1 && key.Columns[0] == c.Name {
				d.References = key.Table + "." + key.Referenced[0]
			}
		}
		columns = append(columns, d)
	}
	return columns
}

// compare says what of the target is in the way.
func (p *planner) compare(context.Context) error {
	p.detail.Resumes = p.target.Copy != ""
	if p.to.readOnly {
		p.plan.Warnings = append(p.plan.Warnings, "the target's server is read-only: only users with special rights write there")
	}
	if p.plan.Mode == datacopy.Incremental {
		return p.compareIncremental()
	}
	all := len(p.req.Include)+len(p.req.Exclude) == 0
	for _, objects := range [][]object{p.target.Events, p.target.Triggers, p.target.Routines, p.target.Views, p.target.Sequences} {
		if all {
			p.detail.Drop = append(p.detail.Drop, dropped(objects)...)
		}
	}
	for _, t := range p.target.Tables {
		if all || p.detail.Schema.table(t.Name) != nil {
			p.detail.Drop = append(p.detail.Drop, object{Kind: "TABLE", Name: t.Name})
			if !p.detail.Resumes {
				p.plan.Overwrites = append(p.plan.Overwrites, fmt.Sprintf("table %s (about %s)", t.Name, datacopy.Counted(t.Rows, "rows")))
			}
		}
	}
	if !p.detail.Resumes && all {
		for _, o := range p.detail.Drop {
			if o.Kind != "TABLE" {
				p.plan.Overwrites = append(p.plan.Overwrites, strings.ToLower(o.Kind)+" "+o.Name)
			}
		}
	}
	return nil
}

// check says what the users may not do. A request that names its tables gets
// nothing else, and sees whether all of them are there.
func (p *planner) check(context.Context) error {
	if len(p.req.Include) == 0 {
		p.plan.NotKept = append(p.plan.NotKept, p.fromRights.unseen(p.req.From.Name())...)
	}
	if missing := p.toRights.missing(p.detail.Schema); len(missing) > 0 {
		p.plan.Blockers = append(p.plan.Blockers, fmt.Sprintf("the target's user lacks the right %s on %s", strings.Join(missing, ", "), p.req.To.Name()))
	}
	if p.source.Copy != "" {
		p.plan.Warnings = append(p.plan.Warnings, "the source is the target of a copy that is not complete: its table "+marker+" says so")
	}
	return nil
}

func dropped(objects []object) []object {
	var all []object
	for _, o := range objects {
		all = append(all, object{Kind: o.Kind, Name: o.Name})
	}
	return all
}

// compareIncremental keeps the target's tables, which must be defined as the
// copy would define them.
func (p *planner) compareIncremental() error {
	p.detail.Drop = dropped(p.target.Triggers)
	for _, t := range p.detail.Schema.Tables {
		there := p.target.table(t.Name)
		if there == nil {
			continue
		}
		t.Exists = true
		if differences := compareTables(t, there, p.from.mariadb == p.to.mariadb); len(differences) > 0 {
			p.plan.Blockers = append(p.plan.Blockers, fmt.Sprintf("table %s is defined otherwise in the target (%s): copy it in the full mode, with replace", t.Name, strings.Join(differences, "; ")))
		}
	}
	for _, t := range p.target.Tables {
		switch {
		case p.source.table(t.Name) != nil:
		case p.req.Delete:
			p.detail.Drop = append(p.detail.Drop, object{Kind: "TABLE", Name: t.Name})
			p.plan.Overwrites = append(p.plan.Overwrites, "table "+t.Name+", which the source does not have")
		default:
			p.plan.Warnings = append(p.plan.Warnings, "table "+t.Name+" of the target is not in the source and stays")
		}
	}
	return nil
}

// finish describes the units.
func (p *planner) finish() (*datacopy.Plan, error) {
	var bytes int64
	for _, t := range p.detail.Schema.Tables {
		unit := datacopy.Unit{
			Name: t.Name, Noun: "rows", Count: t.Rows, Bytes: t.DataBytes, Estimate: true,
			Chunks: int(t.DataBytes/p.detail.ChunkBytes) + 1, Fingerprint: t.fingerprint(),
		}
		if len(t.Key) == 0 || t.Whole {
			unit.Chunks = 1
			unit.Warnings = append(unit.Warnings, "copied as one chunk: "+t.whyWhole())
		}
		if !transactional(t.Engine) {
			unit.Warnings = append(unit.Warnings, "engine "+t.Engine+" knows no snapshots: changes during the copy may be seen in part")
		}
		if strings.Contains(t.Create, "WITH SYSTEM VERSIONING") {
			p.plan.NotKept = append(p.plan.NotKept, "the history of the rows of "+t.Name)
		}
		for _, c := range t.Columns {
			if c.Masked {
				unit.Masked = append(unit.Masked, c.Name)
			}
		}
		bytes += t.DataBytes + t.IndexBytes
		p.plan.Units = append(p.plan.Units, unit)
	}
	if !p.to.localInfile && !p.to.arrays {
		p.plan.Warnings = append(p.plan.Warnings, "the target does not allow LOAD DATA LOCAL (local_infile): rows go by INSERT, which takes about a third longer")
	}
	p.plan.Estimate = time.Duration(float64(bytes) / typicalRate * float64(time.Second)).Round(time.Second)
	var err error
	p.plan.Detail, err = json.Marshal(p.detail)
	return p.plan, err
}

func (t *table) whyWhole() string {
	if t.Whole {
		return "its key is masked or ordered otherwise in the target"
	}
	return "it has no key that orders its rows"
}

func transactional(engine string) bool {
	return strings.EqualFold(engine, "InnoDB") || strings.EqualFold(engine, "RocksDB") || strings.EqualFold(engine, "TokuDB")
}

// readDetail gives the engine's part of a plan.
func readDetail(plan *datacopy.Plan) (*detail, error) {
	var d detail
	if err := json.Unmarshal(plan.Detail, &d); err != nil || d.Schema == nil {
		return nil, fault.New(fault.Invalid, "Plan anew.", "reading the plan %s: it cannot be read: %w", plan.ID, err)
	}
	return &d, nil
}
