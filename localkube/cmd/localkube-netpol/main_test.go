package main

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol/assign"
)

// startAgent answers one request with err and returns what was asked.
func startAgent(t *testing.T, err error) (socket string, asked <-chan assign.Request) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent.sock")
	listener, listenErr := net.Listen("unix", socket)
	if listenErr != nil {
		t.Fatal(listenErr)
	}
	t.Cleanup(func() { listener.Close() })
	requests := make(chan assign.Request, 1)
	go func() {
		conn, acceptErr := listener.Accept()
		if acceptErr != nil {
			return
		}
		_ = assign.Answer(context.Background(), conn, time.Second, func(_ context.Context, r assign.Request) error {
			requests <- r
			return err
		})
	}()
	return socket, requests
}

// containerdArgs is what containerd 1.6 sets.
const containerdArgs = "K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=21324a;K8S_POD_UID=4fcf;IgnoreUnknown=1;K8S_POD_NAMESPACE=shop"

func input(socket string) []byte {
	return []byte(`{"cniVersion": "0.4.0", "name": "lk", "type": "localkube-netpol", "socket": "` + socket + `",
		"prevResult": {"cniVersion": "0.4.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/x"}],
			"ips": [{"version": "6", "address": "fd00::2/64"}, {"version": "4", "address": "10.21.1.2/24", "interface": 0}]}}`)
}

func TestAddTellsTheAgent(t *testing.T) {
	socket, asked := startAgent(t, nil)
	if err := add(&skel.CmdArgs{Args: containerdArgs, StdinData: input(socket)}); err != nil {
		t.Fatal(err)
	}
	got := <-asked
	if got.NetNS == 0 {
		t.Error("the node's network namespace is not named")
	}
	got.NetNS = 0
	want := assign.Request{Namespace: "shop", Name: "web-0", UID: "4fcf", Address: netip.MustParseAddr("10.21.1.2")}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
}

func TestAddFailsClosed(t *testing.T) {
	refusing, _ := startAgent(t, errors.New("no rules"))
	tests := map[string]struct {
		args string
		in   []byte
		want string
	}{
		"the agent refuses":  {containerdArgs, input(refusing), "isolating pod shop/web-0: no rules"},
		"no pod":             {"IgnoreUnknown=1", input(refusing), "do not name the pod"},
		"first of its chain": {containerdArgs, []byte(`{"cniVersion": "0.4.0", "name": "lk", "socket": "/s"}`), "must follow a plugin"},
		"no socket":          {containerdArgs, []byte(`{"cniVersion": "0.4.0", "name": "lk"}`), "socket is not set"},
		"no JSON":            {containerdArgs, []byte(`{`), "reading network configuration"},
		"no address": {containerdArgs, []byte(`{"cniVersion": "0.4.0", "name": "lk", "socket": "/s", "prevResult": {"cniVersion": "0.4.0"}}`),
			"no IPv4 address"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := add(&skel.CmdArgs{Args: test.args, StdinData: test.in})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// FuzzRequest feeds what a container runtime might send: it may be refused, but
// never leads to a request that names no pod or no address.
func FuzzRequest(f *testing.F) {
	f.Add(containerdArgs, input("/agent.sock"))
	f.Add("K8S_POD_NAME=", []byte(`{"cniVersion": "1.1.0", "socket": "/s", "prevResult": {"ips": [{"address": "10.0.0.1/33"}]}}`))
	f.Add("=;=", []byte(`{"cniVersion": "0.1.0", "socket": "/s", "prevResult": {"ip4": {"ip": "10.0.0.1/24"}}}`))
	f.Fuzz(func(t *testing.T, args string, stdin []byte) {
		_, result, err := parse(stdin)
		if err != nil {
			return
		}
		request, err := newRequest(&skel.CmdArgs{Args: args}, result)
		if err == nil && (request.Name == "" || request.Namespace == "" || !request.Address.Is4()) {
			t.Errorf("request %+v", request)
		}
	})
}
