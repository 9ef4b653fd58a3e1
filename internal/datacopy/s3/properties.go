package s3

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// properties are what an object has besides its contents, as headers hold it.
type properties struct {
	header http.Header
	// tags is their number; -1 when the server does not tell.
	tags int
}

// kept are the headers that belong to an object, besides its own metadata.
var kept = []string{
	"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires",
	"X-Amz-Website-Redirect-Location",
}

const (
	metadataPrefix = "X-Amz-Meta-"
	checksumPrefix = "X-Amz-Checksum-"
)

// propertiesOf takes them from an answer to GET or HEAD. GET tells the number
// of tags when there are any, HEAD only on some servers.
func propertiesOf(answer *http.Response) *properties {
	p := &properties{header: http.Header{}}
	for _, name := range kept {
		if values := answer.Header[name]; len(values) > 0 {
			p.header[name] = values
		}
	}
	for name, values := range answer.Header {
		if strings.HasPrefix(name, metadataPrefix) {
			p.header[name] = values
		}
	}
	counted := answer.Header.Get("X-Amz-Tagging-Count")
	switch n, err := strconv.Atoi(counted); {
	case counted != "" && err == nil:
		p.tags = n
	case answer.Request != nil && answer.Request.Method == http.MethodHead:
		p.tags = -1
	}
	return p
}

// withChecksums adds the checksums that the source keeps of the contents, so
// that the target checks what arrives and keeps them, too. Those of objects in
// parts are sums of sums and say nothing of contents in one piece.
func (p *properties) withChecksums(answer *http.Response) *properties {
	for name, values := range answer.Header {
		if strings.HasPrefix(name, checksumPrefix) && name != checksumPrefix+"Type" && !strings.Contains(values[0], "-") {
			p.header[name] = values
		}
	}
	return p
}

// lost counts what objects could not keep.
type lost struct {
	// tags: no permission to read them. etags: written in other parts.
	tags, etags atomic.Int64
}

// writing gives the headers with which an object is written: its properties,
// tags, access and storage class.
func (c *copier) writing(ctx context.Context, o *object, p *properties) (http.Header, error) {
	tags, err := c.readTags(ctx, o, p)
	if err != nil {
		return nil, err
	}
	if tags != "" {
		p.header["X-Amz-Tagging"] = []string{tags}
	}
	switch word, err := c.accessOf(ctx, o); {
	case err != nil:
		return nil, err
	case word != "":
		p.header["X-Amz-Acl"] = []string{word}
	}
	if class := c.class(o); class != "" {
		p.header["X-Amz-Storage-Class"] = []string{string(class)}
	}
	return p.header, nil
}

// readTags gives an object's tags as a header holds them, "" for none. Where
// the key may not read them they are left away, and counted.
func (c *copier) readTags(ctx context.Context, o *object, p *properties) (string, error) {
	if !c.options.tags || p.tags == 0 {
		return "", nil
	}
	out, err := c.from.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket: &c.from.name, Key: aws.String(c.from.prefix + o.key), VersionId: o.versionID(),
	})
	switch {
	case denied(err), statusOf(err) == http.StatusNotImplemented:
		c.lost.tags.Add(1)
		return "", nil
	case err != nil:
		return "", err
	}
	values := url.Values{}
	for _, tag := range out.TagSet {
		values.Set(aws.ToString(tag.Key), aws.ToString(tag.Value))
	}
	return values.Encode(), nil
}
