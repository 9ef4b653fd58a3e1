package s3_test

import (
	"fmt"
	"strings"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{
		Engine: s3.New(), Store: &store{}, Records: 200, Secret: storetest.Secret,
	})
}

// store is what the suite does beside the engine: a record is an object.
type store struct {
}

func (s *store) Pair(t *testing.T) (from, to string) {
	t.Helper()
	a, b := startServer(t), startServer(t)
	return inURL(a, "source"), inURL(b, "target")
}

// inURL makes a bucket and gives its address with the secret.
func inURL(s *server, name string) string {
	s.bucket(name)
	at := *s.url
	at.Path = "/" + name
	return strings.Replace(at.String(), at.User.String(), "root:"+storetest.Secret, 1)
}

// at is the server that an address is of.
func at(t *testing.T, a datacopy.Address) *server {
	t.Helper()
	host := strings.TrimPrefix(a.Endpoint(), "http://")
	return client(t, &storetest.Server{URL: "s3://root:" + storetest.Secret + "@" + host + "?tls=false"})
}

func (*store) key(number int) string { return fmt.Sprintf("records/%06d", number) }

func (s *store) Fill(t *testing.T, a datacopy.Address, count int) {
	t.Helper()
	server := at(t, a)
	var group errgroup.Group
	group.SetLimit(8)
	for number := 1; number <= count; number++ {
		group.Go(func() error {
			server.put(a.Name(), s.key(number), fmt.Sprintf("contents of %d", number))
			return nil
		})
	}
	_ = group.Wait()
}

func (*store) Count(t *testing.T, a datacopy.Address) int {
	t.Helper()
	bucket, count := a.Name(), 0
	pages := awss3.NewListObjectsV2Paginator(at(t, a).s3, &awss3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.Contents)
	}
	return count
}

func (s *store) Change(t *testing.T, a datacopy.Address, number int) string {
	t.Helper()
	at(t, a).put(a.Name(), s.key(number), "another")
	return s.key(number)
}

func (s *store) Remove(t *testing.T, a datacopy.Address, number int) string {
	t.Helper()
	name, key := a.Name(), s.key(number)
	if _, err := at(t, a).s3.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: &name, Key: &key}); err != nil {
		t.Fatal(err)
	}
	return key
}

func (s *store) Add(t *testing.T, a datacopy.Address, number int) string {
	return s.Change(t, a, number)
}
