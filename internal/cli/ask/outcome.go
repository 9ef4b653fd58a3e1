package ask

import (
	"fmt"
	"io"
	"strings"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/follow"
)

// outcome is what a person sees at the end: what runs, and where.
func outcome(w io.Writer, result follow.Result) error {
	env := result.Environment
	var text strings.Builder
	switch {
	case env.Status.Phase == v1alpha1.PhaseAsleep:
		fmt.Fprintf(&text, "%s is asleep", env.Name)
	case result.Release == nil:
		fmt.Fprintf(&text, "%s is %s", env.Name, strings.ToLower(string(env.Status.Phase)))
	default:
		fmt.Fprintf(&text, "%s runs release %d", env.Name, result.Release.Spec.Number)
		if versions := Versions(result.Release.Spec.Components); versions != "" {
			fmt.Fprintf(&text, ": %s", versions)
		}
	}
	text.WriteString("\n")
	if env.Status.Phase != v1alpha1.PhaseAsleep {
		for _, u := range env.Status.URLs {
			fmt.Fprintf(&text, "  %s\n", u.URL)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Versions is a release's components in one line: "web 2, worker 1".
func Versions(components []v1alpha1.ReleaseComponent) string {
	var all []string
	for _, c := range components {
		if c.Version != "" {
			all = append(all, c.Name+" "+ShortVersion(c.Version))
		}
	}
	return strings.Join(all, ", ")
}

// ShortVersion is a version as a person reads it: the tag without its digest,
// or the first digits of a digest.
func ShortVersion(version string) string {
	const digits = len("sha256:") + 12
	tag, digest, pinned := strings.Cut(version, "@")
	if pinned && strings.HasPrefix(digest, "sha256:") {
		return tag
	}
	if strings.HasPrefix(version, "sha256:") && len(version) > digits {
		return version[:digits]
	}
	return version
}

// Number is the last part of a release's name, which is its number.
func Number(release string) string {
	return release[strings.LastIndex(release, "-")+1:]
}
