package environment

import "strings"

// reference is an image reference taken apart as text, so that the repository
// stays as people wrote it: "nginx" does not become "index.docker.io/…".
type reference struct {
	repository string
	tag        string
	digest     string
}

// splitReference takes REPOSITORY[:TAG][@DIGEST] apart. A registry's port is
// not a tag.
func splitReference(s string) reference {
	var r reference
	r.repository, r.digest, _ = strings.Cut(s, "@")
	slash := strings.LastIndexByte(r.repository, '/')
	if colon := strings.LastIndexByte(r.repository, ':'); colon > slash {
		r.repository, r.tag = r.repository[:colon], r.repository[colon+1:]
	}
	return r
}

// at is the same repository at another tag or digest.
func (r reference) at(version string) reference {
	if isDigest(version) {
		return reference{repository: r.repository, digest: version}
	}
	return reference{repository: r.repository, tag: version}
}

// version is the tag, or else the digest.
func (r reference) version() string {
	switch {
	case r.tag != "":
		return r.tag
	case r.digest != "":
		return r.digest
	}
	return "latest"
}

// String joins the parts; without tag and digest it is the tag "latest".
func (r reference) String() string {
	s := r.repository
	if r.tag != "" || r.digest == "" {
		s += ":" + r.version()
	}
	if r.digest != "" {
		s += "@" + r.digest
	}
	return s
}

func isDigest(version string) bool { return strings.HasPrefix(version, "sha256:") }

// SplitImage takes an image reference apart: the repository as written, the
// version as asked for (the tag or, without one, the digest; "latest" where
// there is neither), and the digest where it has one.
func SplitImage(image string) (repository, version, digest string) {
	r := splitReference(image)
	return r.repository, r.version(), r.digest
}
