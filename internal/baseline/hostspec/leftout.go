package hostspec

// LeftOut is something that another tool's format has no counterpart for, or
// that it says and a host spec cannot. It is told, not dropped in silence.
type LeftOut struct {
	// Where is the kind in a spec ("cron", "package#hold") or the place in the
	// other format ("dns/example.org").
	Where string `json:"where"`
	// Reason says why, in a phrase.
	Reason string `json:"reason"`
	// Items is how many it was about.
	Items int `json:"items"`
}

// Gather adds one more to those left out, which it counts by place and reason.
func Gather(left []LeftOut, where, reason string) []LeftOut {
	for i := range left {
		if left[i].Where == where && left[i].Reason == reason {
			left[i].Items++
			return left
		}
	}
	return append(left, LeftOut{Where: where, Reason: reason, Items: 1})
}
