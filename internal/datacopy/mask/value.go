package mask

import (
	"fmt"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// valueMask changes the value of a key or an object.
type valueMask struct {
	prf    *prf
	fields []fieldMask
	value  changer
}

type fieldMask struct {
	pattern Pattern
	change  changer // nil keeps
}

// newValueMask gives nil where the rule keeps everything.
func newValueMask(p *prf, rule *Rule) (datacopy.ValueMask, error) {
	v := &valueMask{prf: p}
	changes := false
	for _, named := range rule.Fields {
		field := fieldMask{pattern: named.Name}
		if named.Action.Kind != Keep {
			var err error
			if field.change, err = changerOf(named.Action); err != nil {
				return nil, fmt.Errorf("masking field %s: %w", named.Name, err)
			}
			changes = true
		}
		v.fields = append(v.fields, field)
	}
	if action := rule.valueAction(); action.Kind != Keep {
		var err error
		if v.value, err = changerOf(action); err != nil {
			return nil, fmt.Errorf("masking values: %w", err)
		}
		changes = true
	}
	if !changes {
		return nil, nil
	}
	return v, nil
}

// Mask is part of datacopy.ValueMask.
func (v *valueMask) Mask(field string, value []byte, kept *datacopy.Scratch) ([]byte, error) {
	change := v.changeOf(field)
	if change == nil || value == nil {
		return value, nil
	}
	start := len(kept.Buffer)
	kept.Buffer = change(v.prf.of(kept), kept.Buffer, value, nil)
	return kept.Buffer[start:len(kept.Buffer):len(kept.Buffer)], nil
}

func (v *valueMask) changeOf(field string) changer {
	if field == "" {
		return v.value
	}
	for _, known := range v.fields {
		if known.pattern.matchFolded(field) {
			return known.change
		}
	}
	return nil
}
