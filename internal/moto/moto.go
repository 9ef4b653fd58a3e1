// Package moto starts moto, an emulator of many of AWS's services, for tests:
// another's idea of what AWS answers, beside the fakes that keep its limits
// and delays. Debian has it since trixie. Start at Start.
package moto

import (
	"bytes"
	"context"
	_ "embed"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/landfall-dev/landfall/internal/image/debian"
)

// Endpoint names another emulator of AWS to test against, by its address.
const Endpoint = "LANDFALL_TEST_AWS_ENDPOINT"

//go:embed start.py
var startScript string

// suite is the release of Debian that moto and its Python come from.
const suite = "trixie"

// patience is how long moto may take until it answers. It is written in Python
// and reads much before it does.
const patience = time.Minute

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
	fetcher, err := debian.DefaultFetcher()
	if err != nil {
		t.Fatal(err)
	}
	fetcher.Suite = suite
	root, err := fetcher.Root(context.Background(), "python3-moto", "python3-flask", "python3-flask-cors")
	if err != nil {
		t.Skipf("needs moto of Debian %s, or $%s, the address of an emulator of AWS: %v", suite, Endpoint, err)
	}
	address := freeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	var output bytes.Buffer
	server := debian.Command(root, "usr/bin/python3", "-c", startScript, "-H", host, "-p", port)
	server.Env = []string{"PYTHONHOME=" + filepath.Join(root, "usr"), "PYTHONPATH=" + filepath.Join(root, "usr/lib/python3/dist-packages")}
	server.Stdout, server.Stderr = &output, &output
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- server.Wait() }()
	t.Cleanup(func() {
		_ = server.Process.Kill()
		<-exited
	})
	endpoint = "http://" + address
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get(endpoint + "/moto-api/"); err == nil {
			answer.Body.Close()
			return endpoint
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("moto ended: %v\n%s", err, output.String())
		default:
		}
	}
	t.Fatal("moto does not answer")
	return ""
}

// freeAddress has a port that nothing listened on just now.
func freeAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}
