package parity

import (
	"fmt"
	"strings"

	"github.com/landfall-dev/landfall/internal/cluster/transfer"
)

// hiddenValue stands for a value that nobody is shown.
type hiddenValue string

const hidden hiddenValue = "(hidden)"

// longest text of a value that a report holds, in characters.
const longest = 400

// hideAll makes differences fit to be shown.
func hideAll(k transfer.Key, all []transfer.Difference) []transfer.Difference {
	shown := make([]transfer.Difference, len(all))
	for i, d := range all {
		shown[i] = hide(k, d)
	}
	return shown
}

// hide replaces values of Secrets, and cuts long texts: a report says where a
// difference is, the objects have the rest.
func hide(k transfer.Key, d transfer.Difference) transfer.Difference {
	secret := k.Kind == secretKind && (strings.HasPrefix(d.Path, "data") || strings.HasPrefix(d.Path, "stringData"))
	for _, v := range []*any{&d.From, &d.To} {
		switch value := (*v).(type) {
		case nil:
		case string:
			if n := len(value); n > longest {
				*v = cut(value, longest/4) + fmt.Sprintf(" (%d bytes in all)", n)
			}
		}
		if secret && *v != nil {
			*v = hidden
		}
	}
	return d
}
