package awsaccount

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/traffic"
)

// throttleCodes are errors of too many requests; among them is Route 53's for a
// change of a zone while another is being worked on.
var throttleCodes = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// noIdentity is how the SDK begins when it finds no credentials; it has no type
// for that.
const noIdentity = "get identity: "

// Explain classifies an error of AWS and says what was done when it came: a
// gerund and its subject. Nil stays nil.
func Explain(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	doing := fmt.Sprintf(format, args...)
	var own *traffic.Throttled
	if errors.As(err, &own) {
		return &traffic.Throttled{After: own.After, Err: fmt.Errorf("%s: %w", doing, own.Err)}
	}
	cause := withoutNoise(err)
	code, _ := CodeAndMessage(err)
	switch {
	case throttles(err):
		return &traffic.Throttled{After: quiet, Err: fmt.Errorf("%s: %w", doing, cause)}
	case code == "" && strings.HasPrefix(cause.Error(), noIdentity):
		return fault.New(fault.Refused, "Log in to AWS, or name a Secret with its keys.", "%s: there are no credentials of AWS: %w", doing, cause)
	case denied(code):
		return fault.New(fault.Refused, hintFor(err, code), "%s: %w", doing, cause)
	case missing(code):
		return fault.New(fault.Invalid, "Check its name, the account and the region.", "%s: %w", doing, cause)
	case code == "ValidationError" || code == "InvalidInput":
		return fault.New(fault.Invalid, "Correct the migration's router settings.", "%s: %w", doing, cause)
	}
	return fmt.Errorf("%s: %w", doing, cause)
}

// CodeAndMessage of an error of AWS, also when Explain has explained it; empty
// for others. Route 53 answers a batch that it refuses in one of two forms, and
// the SDK keeps what the second says beside the message.
func CodeAndMessage(err error) (code, message string) {
	var batch *types.InvalidChangeBatch
	if errors.As(err, &batch) && len(batch.Messages) > 0 {
		return batch.ErrorCode(), strings.Join(batch.Messages, ", ")
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "", ""
	}
	return api.ErrorCode(), api.ErrorMessage()
}

// said is an error of AWS as people read it.
type said struct{ smithy.APIError }

func (s said) Error() string {
	code, message := CodeAndMessage(s.APIError)
	return fmt.Sprintf("AWS says %s: %s", code, message)
}

// Unwrap gives the SDK's error.
func (s said) Unwrap() error { return s.APIError }

func throttles(err error) bool {
	return throttleCodes.IsErrorThrottle(err).Bool()
}

func denied(code string) bool {
	switch code {
	case "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "NotAuthorized", "InvalidClientTokenId",
		"UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "OperationNotPermitted":
		return true
	}
	return false
}

func missing(code string) bool {
	return strings.HasPrefix(code, "NoSuch") || strings.HasSuffix(code, "NotFound")
}

// hintFor names the permission that is missing.
func hintFor(err error, code string) string {
	var operation *smithy.OperationError
	switch {
	case code == "ExpiredToken" || code == "ExpiredTokenException":
		return "Log in to AWS again."
	case code == "OperationNotPermitted" || !errors.As(err, &operation):
		return "See what AWS says is not allowed."
	}
	service := "route53"
	switch {
	case strings.HasPrefix(operation.Service(), "Elastic Load"):
		service = "elasticloadbalancing"
	case operation.Service() == "EKS":
		service = "eks"
	}
	return fmt.Sprintf("Allow %s:%s to the identity that Landfall uses, or give it valid credentials.", service, operation.Operation())
}

// withoutNoise leaves out the layers of the SDK that say nothing to people.
func withoutNoise(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return said{api}
	}
	var operation *smithy.OperationError
	if errors.As(err, &operation) {
		return operation.Err
	}
	return err
}
