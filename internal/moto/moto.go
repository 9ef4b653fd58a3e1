// Package moto starts moto, an emulator of many of AWS's services, for tests:
// another's idea of what AWS answers, beside the fakes that keep its limits
// and delays. Debian has it since trixie. Start at Start.
package moto

import (
	_ "embed"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/landfall-dev/landfall/internal/image/debian"
	"github.com/landfall-dev/landfall/internal/servertest"
)

// Endpoint names another emulator of AWS to test against, by its address.
const Endpoint = "LANDFALL_TEST_AWS_ENDPOINT"

//go:embed start.py
var startScript string

// suite is the release of Debian that moto and its Python come from.
const suite = "trixie"

// Start gives an empty account in us-east-1, that of a moto of the test's own.
// It skips the test where Debian's packages cannot be had. Where $Endpoint is
// set, the account is that one's, with whatever is there.
func Start(t testing.TB) aws.Config {
	t.Helper()
	endpoint := os.Getenv(Endpoint)
	if endpoint == "" {
		endpoint = start(t)
	}
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint),
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

func start(t testing.TB) (endpoint string) {
	t.Helper()
	root := servertest.Debian(t, suite, "python3-moto", "python3-flask", "python3-flask-cors")
	address := servertest.FreeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	moto := debian.Command(root, "usr/bin/python3", "-c", startScript, "-H", host, "-p", port)
	moto.Env = []string{"PYTHONHOME=" + filepath.Join(root, "usr"), "PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages")}
	endpoint = "http://" + address
	servertest.Run(t, moto, servertest.Answers(endpoint+"/moto-api/"))
	return endpoint
}
