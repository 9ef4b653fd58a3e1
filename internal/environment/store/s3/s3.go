// Package s3 makes an environment's own bucket on an S3 server, and its own
// user where the server is a versitygw. The bucket's tag landfall-owner says
// whose it is. Start at Provisioner; users are in users.go.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	// maxName is S3's limit for a bucket.
	maxName = 63
	// ownerTag marks a bucket as an environment's.
	ownerTag      = "landfall-owner"
	defaultRegion = "us-east-1"
	callTimeout   = 60 * time.Second
)

// Provisioner is a store.Provisioner.
type Provisioner struct {
	client   *s3.Client
	http     *http.Client
	endpoint *url.URL
	region   string
	root     aws.Credentials
	// users says that each environment gets a user of its own.
	users bool
}

var _ store.Provisioner = (*Provisioner)(nil)

// Open prepares for the server at s3://KEY:SECRET@HOST[:PORT]. Of the query,
// region=REGION is the region (us-east-1), tls=false speaks plain HTTP, and
// users=versitygw makes users over that server's administration interface;
// without it environments get the server's own key. It does not connect yet.
func Open(server *url.URL) (*Provisioner, error) {
	query := server.Query()
	secret, _ := server.User.Password()
	p := &Provisioner{
		http:     &http.Client{Timeout: callTimeout},
		endpoint: &url.URL{Scheme: "https", Host: server.Host},
		region:   query.Get("region"),
		root:     aws.Credentials{AccessKeyID: server.User.Username(), SecretAccessKey: secret},
	}
	if p.region == "" {
		p.region = defaultRegion
	}
	if query.Get("tls") == "false" {
		p.endpoint.Scheme = "http"
	}
	switch users := query.Get("users"); users {
	case "", "shared":
	case "versitygw":
		p.users = true
	default:
		return nil, fault.New(fault.Invalid, "Use users=versitygw, or leave it out.", "reading the S3 server's address: users=%q is unknown", users)
	}
	p.client = newClient(p.endpoint.String(), p.region, p.root)
	return p, nil
}

func newClient(endpoint, region string, creds aws.Credentials) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), Region: region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(creds.AccessKeyID, creds.SecretAccessKey, ""),
		Retryer:     aws.NopRetryer{}, // the caller retries
		HTTPClient:  &http.Client{Timeout: callTimeout},
	})
}

// Close is part of store.Provisioner.
func (p *Provisioner) Close() error { p.http.CloseIdleConnections(); return nil }

// Ensure is part of store.Provisioner.
func (p *Provisioner) Ensure(ctx context.Context, req store.Request) (store.Settings, error) {
	if err := req.Check(); err != nil {
		return nil, err
	}
	bucket := req.Name('-', maxName)
	access, secret := p.root.AccessKeyID, p.root.SecretAccessKey
	if err := p.ensureBucket(ctx, bucket, req.Owner()); err != nil {
		return nil, store.Failed("making bucket "+bucket, err)
	}
	if p.users {
		var err error
		access = bucket
		if secret, err = req.Password(store.KeySecretAccessKey); err != nil {
			return nil, err
		}
		if err := p.ensureUser(ctx, access, secret, bucket); err != nil {
			return nil, store.Failed("making the user of bucket "+bucket, err)
		}
	}
	return p.settings(bucket, access, secret), nil
}

// Remove is part of store.Provisioner.
func (p *Provisioner) Remove(ctx context.Context, req store.Request) error {
	if err := req.Check(); err != nil {
		return err
	}
	bucket := req.Name('-', maxName)
	owner, err := p.ownerOf(ctx, bucket)
	switch {
	case isCode(err, "NoSuchBucket"):
		// The user's name follows from the request's, so it is ours too, left
		// by a removal that broke off.
		if p.users {
			err = p.removeUser(ctx, bucket)
		} else {
			err = nil
		}
	case err == nil && owner == req.Owner():
		err = p.removeAll(ctx, bucket)
	}
	return store.Failed("removing bucket "+bucket, err)
}

func (p *Provisioner) removeAll(ctx context.Context, bucket string) error {
	if p.users { // first, so that nothing writes behind the removal's back
		if err := p.giveTo(ctx, bucket, p.root.AccessKeyID); err != nil {
			return err
		}
		if err := p.removeUser(ctx, bucket); err != nil {
			return err
		}
	}
	if err := p.empty(ctx, bucket); err != nil {
		return err
	}
	_, err := p.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	if isCode(err, "NoSuchBucket") {
		return nil
	}
	return err
}

func (p *Provisioner) ensureBucket(ctx context.Context, bucket, owner string) error {
	current, err := p.ownerOf(ctx, bucket)
	switch {
	case isCode(err, "NoSuchBucket"):
		return p.makeBucket(ctx, bucket, owner)
	case isCode(err, "AccessDenied"), err == nil && current != owner:
		return store.NotOwned("bucket", bucket)
	}
	return err
}

func (p *Provisioner) makeBucket(ctx context.Context, bucket, owner string) error {
	input := &s3.CreateBucketInput{Bucket: &bucket}
	if p.region != defaultRegion {
		input.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(p.region)}
	}
	if _, err := p.client.CreateBucket(ctx, input); err != nil {
		return err
	}
	_, err := p.client.PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
		Bucket:  &bucket,
		Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String(ownerTag), Value: &owner}}},
	})
	if err != nil { // unmarked it would be nobody's for ever
		_, undo := p.client.DeleteBucket(context.WithoutCancel(ctx), &s3.DeleteBucketInput{Bucket: &bucket})
		return errors.Join(err, undo)
	}
	return nil
}

// ownerOf gives "" for a bucket without our tag.
func (p *Provisioner) ownerOf(ctx context.Context, bucket string) (string, error) {
	tags, err := p.client.GetBucketTagging(ctx, &s3.GetBucketTaggingInput{Bucket: &bucket})
	if isCode(err, "NoSuchTagSet") {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, tag := range tags.TagSet {
		if aws.ToString(tag.Key) == ownerTag {
			return aws.ToString(tag.Value), nil
		}
	}
	return "", nil
}

// empty removes every object, version and unfinished upload.
func (p *Provisioner) empty(ctx context.Context, bucket string) error {
	uploads := s3.NewListMultipartUploadsPaginator(p.client, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, upload := range page.Uploads {
			_, err := p.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: upload.Key, UploadId: upload.UploadId})
			if err != nil {
				return err
			}
		}
	}
	if err := p.removeVersions(ctx, bucket); err != nil {
		return err
	}
	objects := s3.NewListObjectsV2Paginator(p.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for objects.HasMorePages() {
		page, err := objects.NextPage(ctx)
		if err != nil {
			return err
		}
		var keys []types.ObjectIdentifier
		for _, object := range page.Contents {
			keys = append(keys, types.ObjectIdentifier{Key: object.Key})
		}
		if err := p.removeObjects(ctx, bucket, keys); err != nil {
			return err
		}
	}
	return nil
}

// removeVersions does nothing on a server or bucket without versions.
func (p *Provisioner) removeVersions(ctx context.Context, bucket string) error {
	versioning, err := p.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
	var refused smithy.APIError
	if errors.As(err, &refused) || (err == nil && versioning.Status == "") {
		return nil
	}
	if err != nil {
		return err
	}
	versions := s3.NewListObjectVersionsPaginator(p.client, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for versions.HasMorePages() {
		page, err := versions.NextPage(ctx)
		if err != nil {
			return err
		}
		var keys []types.ObjectIdentifier
		for _, version := range page.Versions {
			keys = append(keys, types.ObjectIdentifier{Key: version.Key, VersionId: version.VersionId})
		}
		for _, marker := range page.DeleteMarkers {
			keys = append(keys, types.ObjectIdentifier{Key: marker.Key, VersionId: marker.VersionId})
		}
		if err := p.removeObjects(ctx, bucket, keys); err != nil {
			return err
		}
	}
	return nil
}

func (p *Provisioner) removeObjects(ctx context.Context, bucket string, keys []types.ObjectIdentifier) error {
	if len(keys) == 0 {
		return nil
	}
	out, err := p.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: keys, Quiet: aws.Bool(true)}})
	if err != nil {
		return err
	}
	if len(out.Errors) > 0 {
		first := out.Errors[0]
		return fmt.Errorf("%d objects stay, the first %s: %s", len(out.Errors), aws.ToString(first.Key), aws.ToString(first.Message))
	}
	return nil
}

func (p *Provisioner) settings(bucket, access, secret string) store.Settings {
	port := p.endpoint.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[p.endpoint.Scheme]
	}
	address := url.URL{Scheme: "s3", User: url.UserPassword(access, secret), Host: p.endpoint.Host, Path: "/" + bucket}
	query := url.Values{"region": {p.region}}
	if p.endpoint.Scheme == "http" {
		query.Set("tls", "false")
	}
	address.RawQuery = query.Encode()
	return store.Settings{
		store.KeyURL: address.String(), store.KeyHost: p.endpoint.Hostname(), store.KeyPort: port,
		store.KeyEndpoint: p.endpoint.String(), store.KeyRegion: p.region, store.KeyBucket: bucket,
		store.KeyAccessKeyID: access, store.KeySecretAccessKey: secret,
	}
}

func isCode(err error, code string) bool {
	var reply smithy.APIError
	return errors.As(err, &reply) && reply.ErrorCode() == code
}
