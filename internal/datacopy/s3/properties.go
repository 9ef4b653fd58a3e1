package s3

import (
	"context"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// properties are what an object has besides its contents.
type properties struct {
	cacheControl, disposition, encoding, language, contentType, redirect *string

	expires  *time.Time
	metadata map[string]string
	// tags is their number; -1 when the server does not tell.
	tags int32
}

func propertiesOf(out *s3.GetObjectOutput) *properties {
	return &properties{
		cacheControl: out.CacheControl, disposition: out.ContentDisposition, encoding: out.ContentEncoding,
		language: out.ContentLanguage, contentType: out.ContentType, redirect: out.WebsiteRedirectLocation,
		expires: expiry(out.ExpiresString), metadata: out.Metadata, tags: aws.ToInt32(out.TagCount),
	}
}

func propertiesOfHead(out *s3.HeadObjectOutput) *properties {
	return &properties{
		cacheControl: out.CacheControl, disposition: out.ContentDisposition, encoding: out.ContentEncoding,
		language: out.ContentLanguage, contentType: out.ContentType, redirect: out.WebsiteRedirectLocation,
		expires: expiry(out.ExpiresString), metadata: out.Metadata,
		// HEAD tells the number of tags only on some servers.
		tags: -1,
	}
}

// expiry reads the header Expires; what is no time is left out.
func expiry(text *string) *time.Time {
	t, err := time.Parse(time.RFC1123, aws.ToString(text))
	if err != nil {
		return nil
	}
	return &t
}

// lost counts what objects could not keep.
type lost struct {
	// tags: no permission to read them. etags: written in other parts.
	tags, etags atomic.Int64
}

// readTags gives an object's tags as a header holds them, nil for none. Where
// the key may not read them they are left away, and counted.
func (c *copier) readTags(ctx context.Context, o *object, p *properties) (*string, error) {
	if !c.options.tags || p.tags == 0 {
		return nil, nil
	}
	out, err := c.from.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{
		Bucket: &c.from.name, Key: aws.String(c.from.prefix + o.key),
	})
	switch {
	case denied(err), statusOf(err) == 501:
		c.lost.tags.Add(1)
		return nil, nil
	case err != nil:
		return nil, err
	case len(out.TagSet) == 0:
		return nil, nil
	}
	values := url.Values{}
	for _, tag := range out.TagSet {
		values.Set(aws.ToString(tag.Key), aws.ToString(tag.Value))
	}
	return aws.String(values.Encode()), nil
}
