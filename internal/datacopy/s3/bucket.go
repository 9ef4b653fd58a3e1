package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/fault"
)

const (
	defaultRegion = "us-east-1"
	// defaultStall is how long a server may take to begin its answer, and to go
	// on with it, or with taking what is sent.
	defaultStall = 60 * time.Second
)

// bucket is one side of a copy.
type bucket struct {
	address datacopy.Address
	client  *s3.Client
	// requests are the frequent ones.
	requests *requests
	name     string
	prefix   string
}

// open prepares for a bucket. It does not connect yet.
func (e *Engine) open(ctx context.Context, address datacopy.Address, workers int) (*bucket, error) {
	b := &bucket{address: address, name: address.Name(), prefix: address.Prefix()}
	loaded, err := settings(ctx, address, httpClient(workers, cmp.Or(e.stall, defaultStall)))
	if err != nil {
		return nil, fault.New(fault.Invalid, "Name key, secret and region in the address, or set them as aws expects them.",
			"reading the settings for %s: %w", address, err)
	}
	b.client = s3.NewFromConfig(loaded, func(o *s3.Options) {
		if endpoint := address.Endpoint(); endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = aws.String(endpoint), true
		}
		o.Retryer = aws.NopRetryer{} // datacopy.Retry repeats reading and writing together
		// ETags prove what was copied. Further checksums would cost the client
		// more than all the rest, and many servers do not know them.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	})
	if b.requests, err = newRequests(ctx, b.name, b.client.Options()); err != nil {
		return nil, fault.New(fault.Invalid, "Check bucket, endpoint and region in the address.", "finding the server of %s: %w", address, err)
	}
	return b, nil
}

// settings are those of the address, and of the machine where it leaves some
// open. One that leaves none does without reading the machine's: bundles of
// certificates take as long as listing a hundred objects.
func settings(ctx context.Context, address datacopy.Address, client *awshttp.BuildableClient) (aws.Config, error) {
	given := aws.Config{Region: address.Param("region"), HTTPClient: client}
	if given.Region == "" && address.Endpoint() != "" {
		given.Region = defaultRegion
	}
	if address.User() != "" {
		given.Credentials = credentials.NewStaticCredentialsProvider(address.User(), address.Password(), "")
	}
	if given.Credentials != nil && strings.HasPrefix(address.Endpoint(), "http://") {
		return given, nil
	}
	return config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), config.WithRegion(given.Region), config.WithCredentialsProvider(given.Credentials))
}

// httpClient keeps a connection for each worker.
func httpClient(workers int, stall time.Duration) *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, workers+8
		t.ResponseHeaderTimeout = stall
		t.WriteBufferSize, t.ReadBufferSize = 64<<10, 64<<10
		t.DisableCompression = true
		t.DialContext = dialer(t.DialContext, stall)
	})
}

// sameServer says that the target's server can read the source by itself.
func sameServer(from, to datacopy.Address) bool {
	return from.Endpoint() == to.Endpoint() && from.User() == to.User()
}

// failed says what went wrong with this bucket, and what to do about it.
func (b *bucket) failed(doing string, err error) error {
	if err == nil || fault.HintOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.Failed, hint(err), "%s %s: %w", doing, b.address, plain(err))
}

// plain is an error of the SDK without request IDs and its internals.
func plain(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		if api.ErrorMessage() == "" {
			return fmt.Errorf("the server says %s", api.ErrorCode())
		}
		return fmt.Errorf("the server says %s: %s", api.ErrorCode(), api.ErrorMessage())
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Err
	}
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	return err
}

// codeOf is S3's word for an error, or "".
func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// statusOf is the HTTP status of an error, or 0.
func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		return response.HTTPStatusCode()
	}
	return 0
}

func notFound(err error) bool { return statusOf(err) == http.StatusNotFound }

func denied(err error) bool { return statusOf(err) == http.StatusForbidden }

// hint is the next step after an error.
func hint(err error) string {
	switch codeOf(err) {
	case "NoSuchBucket":
		return "Make the bucket, or name another."
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId":
		return "Check key and secret in the address; special characters in them are written %XX."
	case "AccessDenied", "AllAccessDisabled":
		return "Allow the key to list, read (source) and write (target) the bucket; options tags=false needs less."
	case "PermanentRedirect", "AuthorizationHeaderMalformed":
		return "Name the bucket's region: ?region=REGION."
	case "AccessControlListNotSupported":
		return "Let the target's bucket have access lists, or leave them away: acls=false."
	case "QuotaExceeded", "XMinioStorageFull", "InsufficientStorage":
		return "Make room for the target, then resume the copy."
	}
	if denied(err) { // an answer to HEAD has no code
		return "Check key and secret in the address, and that the key may list, read (source) and write (target) the bucket."
	}
	return "Check that the server runs and can be reached, then resume the copy."
}

// settledError was tried again already, as often as makes sense.
type settledError struct{ error }

func (e *settledError) Unwrap() error { return e.error }

// passing says that an error may be gone at the next try.
func passing(err error) bool {
	var settled *settledError
	if errors.As(err, &settled) {
		return false
	}
	switch codeOf(err) {
	case "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "XMinioServerNotInitialized":
		return true
	}
	switch status := statusOf(err); {
	case status == http.StatusInsufficientStorage, status == http.StatusNotImplemented:
		return false
	case status == http.StatusTooManyRequests, status >= 500:
		return true
	case status != 0:
		return false
	}
	return !errors.Is(err, context.Canceled) && fault.HintOf(err) == ""
}
