package s3

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/auth"
	"github.com/aws/smithy-go/encoding/httpbinding"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// requests sends what a copy asks for once an object or more often: listing,
// GET, PUT and COPY. The SDK finds endpoint, credentials and signature, and
// does all that is asked for once a bucket; of a request for a small object
// its layers took two thirds of the client's time. Safe for concurrent use.
type requests struct {
	endpoint        url.URL
	service, region string
	credentials     aws.CredentialsProvider
	signer          *v4.Signer
	client          s3.HTTPClient
}

const (
	// unsignedBody leaves the body out of the signature, so that it is not
	// read twice; the ETag tells whether it arrived.
	unsignedBody = "UNSIGNED-PAYLOAD"
	// emptyBody is the SHA-256 of nothing.
	emptyBody = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	// expectFrom is the size from which a server is asked whether it wants a
	// body before that is sent.
	expectFrom = 2 << 20
	// errorText is the most that is read of an error's text, largestAnswer of
	// another: a thousand keys of a kilobyte, encoded, are less.
	errorText, largestAnswer = 64 << 10, 16 << 20
)

// newRequests finds out where requests about a bucket go and how they are
// signed, as the SDK would with these settings.
func newRequests(ctx context.Context, bucket string, o s3.Options) (*requests, error) {
	endpoint, err := o.EndpointResolverV2.ResolveEndpoint(ctx, s3.EndpointParameters{
		Bucket: &bucket, Region: &o.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle,
		UseFIPS:      aws.Bool(o.EndpointOptions.UseFIPSEndpoint == aws.FIPSEndpointStateEnabled),
		UseDualStack: aws.Bool(o.EndpointOptions.UseDualStackEndpoint == aws.DualStackEndpointStateEnabled),
	}.WithDefaults())
	if err != nil {
		return nil, err
	}
	r := &requests{
		endpoint: endpoint.URI, service: "s3", region: o.Region, credentials: o.Credentials, client: o.HTTPClient,
		signer: v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true }),
	}
	schemes, _ := auth.GetAuthOptions(&endpoint.Properties)
	for _, scheme := range schemes {
		if scheme.SchemeID != auth.SchemeIDSigV4 {
			continue
		}
		if name, known := smithyhttp.GetSigV4SigningName(&scheme.SignerProperties); known {
			r.service = name
		}
		if region, known := smithyhttp.GetSigV4SigningRegion(&scheme.SignerProperties); known {
			r.region = region
		}
		break
	}
	return r, nil
}

// request is one of them. The zero values of what it does not need are fine.
type request struct {
	method string
	key    string
	query  url.Values
	header http.Header
	body   io.Reader
	size   int64
}

// send sends a request and gives the answer, whose body is to be closed. An
// answer that is no success is an error as the SDK's are.
func (r *requests) send(ctx context.Context, ask request) (*http.Response, error) {
	req, err := r.prepare(ctx, ask)
	if err != nil {
		return nil, err
	}
	credentials, err := r.credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	hash := emptyBody
	if ask.size > 0 {
		hash = unsignedBody
	}
	req.Header["X-Amz-Content-Sha256"] = []string{hash}
	if err := r.signer.SignHTTP(ctx, credentials, req, hash, r.service, r.region, time.Now()); err != nil {
		return nil, err
	}
	answer, err := r.client.Do(req)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		defer answer.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(answer.Body, errorText))
		return nil, refusal(answer, text)
	}
	return answer, nil
}

func (r *requests) prepare(ctx context.Context, ask request) (*http.Request, error) {
	at := r.endpoint
	if ask.key != "" {
		at.Path += "/" + ask.key
		at.RawPath = r.endpoint.EscapedPath() + "/" + httpbinding.EscapePath(ask.key, false)
	}
	at.RawQuery = ask.query.Encode()
	req := &http.Request{
		Method: ask.method, URL: &at, Host: at.Host, Header: ask.header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: ask.size,
	}
	if req.Body = http.NoBody; ask.size > 0 {
		req.Body = io.NopCloser(ask.body)
	}
	if req.Header == nil {
		req.Header = http.Header{}
	}
	if ask.size >= expectFrom {
		req.Header["Expect"] = []string{"100-continue"}
	}
	return req.WithContext(ctx), nil
}

// reply is what answers hold that are XML, those of listings apart.
type reply struct{ root, etag, upload, code, message string }

func readReply(text []byte) (*reply, error) {
	said := &reply{}
	return said, elements(text, func(parent, name string, text []byte) error {
		switch name {
		case "ETag":
			said.etag = unquote(string(text))
		case "UploadId":
			said.upload = string(text)
		case "Code":
			said.code = string(text)
		case "Message":
			said.message = string(text)
		}
		if parent == "" {
			said.root = name
		}
		return nil
	})
}

// ask sends a request and reads the answer.
func (r *requests) ask(ctx context.Context, ask request) (*reply, error) {
	var text bytes.Buffer
	answer, err := r.text(ctx, ask, &text) //nolint:bodyclose // text has closed it
	if err != nil {
		return nil, err
	}
	said, err := readReply(text.Bytes())
	if err != nil {
		return nil, err
	}
	// Copying takes long: the server may have said yes before it failed.
	if said.root == "Error" {
		return nil, refusal(answer, text.Bytes())
	}
	return said, nil
}

// text sends a request and puts the answer's body into a buffer, from its
// beginning.
func (r *requests) text(ctx context.Context, ask request, into *bytes.Buffer) (*http.Response, error) {
	answer, err := r.send(ctx, ask)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	into.Reset()
	if answer.ContentLength > 0 {
		into.Grow(int(min(answer.ContentLength, largestAnswer)) + bytes.MinRead)
	}
	_, err = into.ReadFrom(io.LimitReader(answer.Body, largestAnswer))
	return answer, err
}

// refusal is the error that a server answered with.
func refusal(answer *http.Response, text []byte) error {
	said, err := readReply(text)
	if err != nil || said.code == "" {
		// What is no XML says no more than the status does.
		said = &reply{code: strings.ReplaceAll(http.StatusText(answer.StatusCode), " ", "")}
	}
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: answer},
		Err:      &smithy.GenericAPIError{Code: said.code, Message: said.message},
	}
}
