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

// at is the same repository at another version: TAG, sha256:… or both,
// TAG@sha256:…, where the tag is for people and the digest is what runs.
func (r reference) at(version string) reference {
	tag, digest := splitVersion(version)
	return reference{repository: r.repository, tag: tag, digest: digest}
}

func splitVersion(version string) (tag, digest string) {
	if strings.HasPrefix(version, "sha256:") {
		return "", version
	}
	tag, digest, _ = strings.Cut(version, "@")
	return tag, digest
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

// SplitImage takes an image reference apart: the repository as written, the
// version as asked for (the tag or, without one, the digest; "latest" where
// there is neither), and the digest where it has one.
func SplitImage(image string) (repository, version, digest string) {
	r := splitReference(image)
	return r.repository, r.version(), r.digest
}
