package s3_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/store/server"
	"github.com/landfall-dev/landfall/internal/environment/store/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Suite{ServerURL: storetest.VersityGW(t), Client: client{}, Secret: store.KeySecretAccessKey})
}

type client struct{}

func open(endpoint, access, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(access, secret, ""),
		Retryer:     aws.NopRetryer{},
	})
}

func with(s store.Settings) *s3.Client {
	return open(s[store.KeyEndpoint], s[store.KeyAccessKeyID], s[store.KeySecretAccessKey])
}

func (client) Write(ctx context.Context, own store.Settings, key, value string) error {
	_, err := with(own).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(own[store.KeyBucket]), Key: &key, Body: strings.NewReader(value)})
	return err
}

func (client) Read(ctx context.Context, own store.Settings, key string) (string, error) {
	return read(ctx, with(own), own[store.KeyBucket], key)
}

func read(ctx context.Context, c *s3.Client, bucket, key string) (string, error) {
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	var absent *types.NoSuchKey
	if errors.As(err, &absent) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	return string(content), err
}

func (client) Trespass(ctx context.Context, own, others store.Settings, key string) (string, error) {
	return read(ctx, with(own), others[store.KeyBucket], key)
}

func admin(serverURL string) *s3.Client {
	address, err := store.ParseServer(serverURL)
	if err != nil {
		panic(err)
	}
	secret, _ := address.User.Password()
	return open("http://"+address.Host, address.User.Username(), secret)
}

func (client) Plant(ctx context.Context, serverURL string, req store.Request) error {
	_, err := admin(serverURL).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(req.Name('-', 63))})
	return err
}

func (client) Planted(ctx context.Context, serverURL string, req store.Request) (bool, error) {
	_, err := admin(serverURL).HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String(req.Name('-', 63))})
	return err == nil, err
}

func TestRemoveEmptiesBigBucket(t *testing.T) {
	ctx := t.Context()
	p, err := server.Open(storetest.VersityGW(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	req := store.Request{Project: "p", Environment: "e", UID: "1", Store: "files"}
	settings, err := p.Ensure(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	bucket := settings[store.KeyBucket]
	for i := range 1005 { // more than one page
		if err := (client{}).Write(ctx, settings, fmt.Sprintf("folder-%d/object", i), ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := with(settings).CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: aws.String("unfinished")}); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(ctx, req); err != nil {
		t.Fatal(err)
	}
}

func TestSharedUsersGiveTheServersKey(t *testing.T) {
	address := strings.Replace(storetest.VersityGW(t), "&users=versitygw", "", 1)
	p, err := server.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	req := store.Request{Project: "p", Environment: "e", UID: "1", Store: "files"}
	settings, err := p.Ensure(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if settings[store.KeyAccessKeyID] != "root" {
		t.Errorf("access key %q", settings[store.KeyAccessKeyID])
	}
	if err := (client{}).Write(t.Context(), settings, "k", "v"); err != nil {
		t.Error(err)
	}
	if err := p.Remove(t.Context(), req); err != nil {
		t.Error(err)
	}
}

func TestUnknownUsersIsRefused(t *testing.T) {
	if _, err := server.Open("s3://a:b@host?users=magic"); fault.ClassOf(err) != fault.Invalid {
		t.Errorf("got %v", err)
	}
}
