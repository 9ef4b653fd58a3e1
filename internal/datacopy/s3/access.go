package s3

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/landfall-dev/landfall/internal/datacopy"
)

const (
	everyone = "http://acs.amazonaws.com/groups/global/AllUsers"
	signedIn = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers"
)

// access is what became of access lists. Other accounts have other users, so
// what is kept is what S3 has a word for: private, and open to one of its two
// groups. That is written together with the object.
type access struct {
	mu sync.Mutex
	// unread are lists that could not be read, special those without a word.
	unread, special int
	// opened is an object that is not private, and word what it was given.
	opened, word string
}

// accessOf gives S3's word for who may read an object, "" for its owner alone,
// and where lists are not asked for.
func (c *copier) accessOf(ctx context.Context, o *object) (string, error) {
	if !c.options.acls {
		return "", nil
	}
	word, err := c.accessIn(ctx, c.from, o.key, o.versionID())
	c.access.mu.Lock()
	defer c.access.mu.Unlock()
	switch {
	case denied(err), statusOf(err) == http.StatusNotImplemented:
		c.access.unread++
		return "", nil
	case err != nil:
		return "", err
	case word == "special":
		c.access.special++
		return "", nil
	case word != "":
		c.access.opened, c.access.word = o.targetKey(), word
	}
	return word, nil
}

// accessIn reads an access list; "special" is one that there is no word for.
func (c *copier) accessIn(ctx context.Context, b *bucket, key string, version *string) (string, error) {
	out, err := b.client.GetObjectAcl(ctx, &s3.GetObjectAclInput{Bucket: &b.name, Key: aws.String(b.prefix + key), VersionId: version})
	if err != nil {
		return "", err
	}
	owner := ""
	if out.Owner != nil {
		owner = aws.ToString(out.Owner.ID)
	}
	return accessWord(owner, out.Grants), nil
}

// accessWord finds the word for grants besides that of the owner.
func accessWord(owner string, grants []types.Grant) string {
	var given []string
	for _, grant := range grants {
		who := "another"
		if grantee := grant.Grantee; grantee != nil {
			full := grant.Permission == types.PermissionFullControl && grantee.Type == types.TypeCanonicalUser
			if full && (aws.ToString(grantee.ID) == owner || len(grants) == 1) {
				continue // some servers do not tell owners
			}
			if uri := aws.ToString(grantee.URI); uri != "" {
				who = uri
			}
		}
		given = append(given, string(grant.Permission)+" "+who)
	}
	slices.Sort(given)
	for word, want := range map[types.ObjectCannedACL][]string{
		"":                                     nil,
		types.ObjectCannedACLPublicRead:        {"READ " + everyone},
		types.ObjectCannedACLPublicReadWrite:   {"READ " + everyone, "WRITE " + everyone},
		types.ObjectCannedACLAuthenticatedRead: {"READ " + signedIn},
	} {
		if slices.Equal(given, want) {
			return string(word)
		}
	}
	return "special"
}

// accessLost says which access lists are not kept. Servers that have none take
// the word for one and do nothing, so one object is asked for.
func (c *copier) accessLost(ctx context.Context) []string {
	var lost []string
	a := &c.access
	if a.unread > 0 {
		lost = append(lost, fmt.Sprintf("access lists of %s: the server does not tell them", datacopy.Counted(int64(a.unread), "objects")))
	}
	if a.special > 0 {
		lost = append(lost, fmt.Sprintf("access lists of %s: they name users, whom the target does not have", datacopy.Counted(int64(a.special), "objects")))
	}
	if a.word != "" {
		if word, err := c.accessIn(ctx, c.to, a.opened, nil); err != nil || word != a.word {
			lost = append(lost, fmt.Sprintf("access lists: the target does not show %q on %q", a.word, a.opened))
		}
	}
	return lost
}
