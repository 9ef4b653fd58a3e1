package verify

import (
	"fmt"

	"github.com/Masterminds/semver/v3"
	apk "github.com/knqyf263/go-apk-version"
	deb "github.com/knqyf263/go-deb-version"
	rpm "github.com/knqyf263/go-rpm-version"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// compareVersions orders two versions by the rules of the manager that gave
// them: dpkg, rpm and apk have their own, all else is semantic versioning with
// missing parts as zero. Versions that the rules cannot read are an error.
func compareVersions(manager, a, b string) (int, error) {
	switch manager {
	case "dpkg":
		left, err := deb.NewVersion(a)
		if err != nil {
			return 0, unreadable(a, manager)
		}
		right, err := deb.NewVersion(b)
		if err != nil {
			return 0, unreadable(b, manager)
		}
		return left.Compare(right), nil
	case "rpm":
		return rpm.NewVersion(a).Compare(rpm.NewVersion(b)), nil
	case "apk":
		for _, version := range []string{a, b} {
			if !apk.Valid(version) {
				return 0, unreadable(version, manager)
			}
		}
		return apk.Version(a).Compare(apk.Version(b)), nil
	}
	left, err := semver.NewVersion(a)
	if err != nil {
		return 0, unreadable(a, "semantic versioning")
	}
	right, err := semver.NewVersion(b)
	if err != nil {
		return 0, unreadable(b, "semantic versioning")
	}
	return left.Compare(right), nil
}

func unreadable(version, rules string) error {
	return fmt.Errorf("%q is no version by the rules of %s", version, rules)
}

// inRange says whether the version is within all bounds.
func inRange(manager, version string, bounds []hostspec.Bound) (bool, error) {
	for _, bound := range bounds {
		c, err := compareVersions(manager, version, bound.Operand)
		if err != nil {
			return false, err
		}
		if !bound.Holds(c) {
			return false, nil
		}
	}
	return true, nil
}
