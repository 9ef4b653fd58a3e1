package s3_test

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

// server is an S3 server of a test's own.
type server struct {
	*storetest.Server
	t   *testing.T
	url *url.URL
	s3  *s3.Client
}

func startServer(t *testing.T) *server {
	t.Helper()
	return client(t, storetest.VersityGW(t))
}

// client gives what a test does to a server beside the engine.
func client(t *testing.T, running *storetest.Server) *server {
	t.Helper()
	u, err := url.Parse(running.URL)
	if err != nil {
		t.Fatal(err)
	}
	secret, _ := u.User.Password()
	return &server{Server: running, t: t, url: u, s3: s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + u.Host), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(u.User.Username(), secret, ""),
	})}
}

// bucket makes a bucket and gives its address, with a prefix when one is given.
func (s *server) bucket(path string) datacopy.Address {
	s.t.Helper()
	name, _, _ := strings.Cut(path, "/")
	if _, err := s.s3.CreateBucket(s.t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		s.t.Fatal(err)
	}
	return s.address(path)
}

func (s *server) address(path string) datacopy.Address {
	s.t.Helper()
	at := *s.url
	at.Path = "/" + path
	a, err := datacopy.ParseAddress(at.String())
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// put writes an object with everything that belongs to one.
func (s *server) put(bucket, key, contents string) {
	s.t.Helper()
	_, err := s.s3.PutObject(s.t.Context(), &s3.PutObjectInput{
		Bucket: &bucket, Key: &key, Body: strings.NewReader(contents), ContentType: aws.String("text/x-test"),
		CacheControl: aws.String("max-age=60"), ContentLanguage: aws.String("ja"), ContentDisposition: aws.String("attachment"),
		Metadata: map[string]string{"owner": "ann", "sum": fmt.Sprintf("%x", md5.Sum([]byte(contents)))},
		Tagging:  aws.String("team=web&note=a%20b%2Bc"),
	})
	if err != nil {
		s.t.Fatalf("writing %q: %v", key, err)
	}
}

// putParts uploads an object in parts.
func (s *server) putParts(bucket, key string, partSize, size int) {
	s.t.Helper()
	ctx := s.t.Context()
	upload, err := s.s3.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: &key, ContentType: aws.String("video/x-test"), Metadata: map[string]string{"in": "parts"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	contents := bytes.Repeat([]byte("0123456789abcdef"), (size+15)/16)[:size]
	var parts []types.CompletedPart
	for number := int32(1); len(contents) > 0; number++ {
		n := min(partSize, len(contents))
		out, err := s.s3.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &bucket, Key: &key, UploadId: upload.UploadId, PartNumber: &number, Body: bytes.NewReader(contents[:n]),
		})
		if err != nil {
			s.t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: aws.Int32(number)})
		contents = contents[n:]
	}
	_, err = s.s3.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: upload.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// odd are keys that are easily confused or broken.
var odd = []string{
	"plain", "folder/file", "Folder/file", "FOLDER/FILE", "a b+c%20d&e=f?g#h", "ünï/cödé", "日本/語.txt", "quote\"'<>",
	"deep/er/and/deeper", "dash-", "dash.x", "dash/x", "~tilde", "emoji 😀",
}

// fill puts objects of all kinds into a bucket and gives their number.
func (s *server) fill(bucket, prefix string) int {
	s.t.Helper()
	for _, key := range odd {
		s.put(bucket, prefix+key, "contents of "+key)
	}
	s.put(bucket, prefix+"empty", "")
	s.put(bucket, prefix+"folder/only/", "")
	s.put(bucket, prefix+"middling", strings.Repeat("middling ", 300_000))
	s.putParts(bucket, prefix+"in parts", 5<<20, 12<<20)
	return len(odd) + 4
}

// everything reads all that a bucket has, for comparing.
func (s *server) everything(bucket, prefix string) map[string]string {
	s.t.Helper()
	ctx := s.t.Context()
	all := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, item := range page.Contents {
			out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: item.Key})
			if err != nil {
				s.t.Fatal(err)
			}
			sum := md5.New()
			if _, err := io.Copy(sum, out.Body); err != nil {
				s.t.Fatal(err)
			}
			out.Body.Close()
			tagging, err := s.s3.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &bucket, Key: item.Key})
			if err != nil {
				s.t.Fatal(err)
			}
			tags := map[string]string{}
			for _, tag := range tagging.TagSet {
				tags[*tag.Key] = *tag.Value
			}
			all[strings.TrimPrefix(*item.Key, prefix)] = fmt.Sprint(
				hex.EncodeToString(sum.Sum(nil)), " ", aws.ToString(out.ETag), " ", aws.ToString(out.ContentType), " ", aws.ToString(out.CacheControl), " ",
				aws.ToString(out.ContentLanguage), " ", aws.ToString(out.ContentDisposition), " ", out.Metadata, " ", tags)
		}
	}
	return all
}
