package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// account is versitygw's user, as its administration interface reads it. Role
// "user" may use the buckets it owns and make none.
type account struct {
	XMLName xml.Name `xml:"Account"`
	Access  string
	Secret  string
	Role    string
}

type accountChange struct {
	XMLName xml.Name `xml:"MutableProps"`
	Secret  string
	Role    string
}

// ensureUser makes the user, or sets its secret, and gives it the bucket.
func (p *Provisioner) ensureUser(ctx context.Context, access, secret, bucket string) error {
	status, err := p.admin(ctx, "create-user", nil, account{Access: access, Secret: secret, Role: "user"})
	if status == http.StatusConflict {
		_, err = p.admin(ctx, "update-user", url.Values{"access": {access}}, accountChange{Secret: secret, Role: "user"})
	}
	if err != nil {
		return err
	}
	return p.giveTo(ctx, bucket, access)
}

func (p *Provisioner) giveTo(ctx context.Context, bucket, access string) error {
	_, err := p.admin(ctx, "change-bucket-owner", url.Values{"bucket": {bucket}, "owner": {access}}, nil)
	return err
}

// removeUser succeeds where there is none.
func (p *Provisioner) removeUser(ctx context.Context, access string) error {
	_, err := p.admin(ctx, "delete-user", url.Values{"access": {access}}, nil)
	return err
}

// admin calls versitygw's administration interface, which is signed as S3
// itself is, and gives the status. Its errors carry no secret.
func (p *Provisioner) admin(ctx context.Context, verb string, query url.Values, body any) (int, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = xml.Marshal(body); err != nil {
			return 0, err
		}
	}
	address := p.endpoint.JoinPath(verb)
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, address.String(), bytes.NewReader(content))
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	request.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(ctx, p.root, request, hash, "s3", p.region, time.Now()); err != nil {
		return 0, fmt.Errorf("signing %s: %w", verb, err)
	}
	response, err := p.http.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", verb, err)
	}
	defer response.Body.Close()
	reply, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if response.StatusCode >= 300 {
		var failure struct{ Code, Message string }
		_ = xml.Unmarshal(reply, &failure)
		return response.StatusCode, fmt.Errorf("%s: HTTP %d %s %s", verb, response.StatusCode, failure.Code, failure.Message)
	}
	return response.StatusCode, nil
}
