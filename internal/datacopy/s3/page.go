package s3

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// listed is the answer to a listing.
type listed struct {
	root      string
	objects   []object
	truncated bool
	token     string
	// nextKey and nextVersion are what a listing of versions has for a token.
	nextKey, nextVersion string
}

// readListed reads an answer: keys lose the prefix, and have to be below it.
func readListed(text []byte, prefix string) (*listed, error) {
	l := &listed{objects: make([]object, 0, pageSize)}
	var o object
	encoded := false
	err := elements(text, func(parent, name string, text []byte) (err error) {
		switch {
		case parent == "Contents", parent == "Version", parent == "DeleteMarker":
			err = o.read(name, text)
		case parent == "":
			l.root = name
		case parent != "ListBucketResult" && parent != "ListVersionsResult":
		case name == "Contents", name == "Version", name == "DeleteMarker":
			o.deleted = name == "DeleteMarker"
			l.objects = append(l.objects, o)
			o = object{}
		case name == "EncodingType":
			encoded = string(text) == "url"
		default:
			l.read(name, text)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range l.objects {
		// Where an answer tells its encoding is not agreed on.
		if l.objects[i].key, err = decodedKey(l.objects[i].key, encoded, prefix); err != nil {
			return nil, err
		}
	}
	if l.nextKey != "" {
		l.nextKey, err = decodedKey(l.nextKey, encoded, prefix)
	}
	return l, err
}

// read takes what one element says of the page.
func (l *listed) read(name string, text []byte) {
	switch name {
	case "IsTruncated":
		l.truncated = string(text) == "true"
	case "NextContinuationToken":
		l.token = string(text)
	case "NextKeyMarker":
		l.nextKey = string(text)
	case "NextVersionIdMarker":
		l.nextVersion = string(text)
	}
}

// read takes what one element says of an object.
func (o *object) read(name string, text []byte) (err error) {
	switch name {
	case "Key":
		o.key = string(text)
	case "Size":
		o.size, err = strconv.ParseInt(string(text), 10, 64)
	case "ETag":
		o.etag = unquote(string(text))
	case "LastModified":
		o.modified, err = time.Parse(time.RFC3339, string(text))
	case "StorageClass":
		if o.class = types.StorageClassStandard; string(text) != string(types.StorageClassStandard) {
			o.class = types.StorageClass(text)
		}
	case "VersionId":
		o.version = string(text)
	case "IsLatest":
		o.latest = string(text) == "true"
	}
	return err
}

// decodedKey is a key of an answer without the prefix.
func decodedKey(key string, encoded bool, prefix string) (string, error) {
	if encoded {
		decoded, err := url.QueryUnescape(key)
		if err != nil {
			return "", fmt.Errorf("the key %q is not encoded as agreed", key)
		}
		key = decoded
	}
	name, below := strings.CutPrefix(key, prefix)
	if !below {
		return "", fmt.Errorf("the key %q is not below the prefix", key)
	}
	return name, nil
}

func unquote(etag string) string { return strings.Trim(etag, `"`) }
