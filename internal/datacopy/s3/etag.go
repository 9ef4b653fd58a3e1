package s3

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// verdict is what two listings say of an object.
type verdict int

const (
	same verdict = iota
	// unsure: ETags that differ without the contents having to, since they are
	// of unlike parts, or are no MD5 (encryption with keys of the service).
	unsure
	different
)

// judge compares an object with its counterpart.
func judge(source, target *object) verdict {
	switch {
	case source.size != target.size:
		return different
	case source.etag == target.etag && source.etag != "":
		return same
	case isMD5(source.etag) && isMD5(target.etag):
		return different
	}
	return unsure
}

// isMD5 says that an ETag is of an object that was uploaded in one piece: the
// MD5 of its contents.
func isMD5(etag string) bool {
	if len(etag) != 2*md5.Size {
		return false
	}
	_, err := hex.DecodeString(etag)
	return err == nil
}

// partsOf gives the number of parts that an object was uploaded in, as its
// ETag tells: 0 is in one piece.
func partsOf(etag string) int {
	_, number, found := strings.Cut(etag, "-")
	if !found {
		return 0
	}
	parts, err := strconv.Atoi(number)
	if err != nil || parts < 1 || parts > mostParts {
		return 0
	}
	return parts
}

// etagOf computes the ETag that contents have when they are uploaded in parts
// of a size, or in one piece when that is 0: of parts it is the MD5 of their
// MD5s, and their number.
func etagOf(contents io.Reader, partSize int64) (etag string, size int64, err error) {
	if partSize == 0 {
		sum := md5.New()
		size, err = io.Copy(sum, contents)
		return hex.EncodeToString(sum.Sum(nil)), size, err
	}
	all, parts := md5.New(), 0
	for {
		part := md5.New()
		n, err := io.CopyN(part, contents, partSize)
		size += n
		if n > 0 {
			all.Write(part.Sum(nil))
			parts++
		}
		if errors.Is(err, io.EOF) {
			return fmt.Sprintf("%x-%d", all.Sum(nil), parts), size, nil
		}
		if err != nil {
			return "", size, err
		}
	}
}
