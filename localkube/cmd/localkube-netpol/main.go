// Command localkube-netpol is a CNI plugin that follows the bridge plugin in a
// node's chain: it tells the network policy agent the address that a pod has
// got, and lets the pod start once its rules are in force. When the agent
// cannot say so, the pod does not start, and the kubelet tries again.
//
// It is a program of its own, and small, because it runs for every pod.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	cnitypes "github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol/assign"
)

// timeout is how long a pod waits for its rules; an agent that was just
// started again needs a second or two.
const timeout = 15 * time.Second

// config is the plugin's part of the network configuration.
type config struct {
	cnitypes.NetConf
	// Socket is where the agent listens.
	Socket string `json:"socket"`
}

// podArgs are what the container runtime says of the pod, in CNI_ARGS. The
// library finds the fields by the very names of the arguments.
type podArgs struct {
	cnitypes.CommonArgs
	K8S_POD_NAMESPACE cnitypes.UnmarshallableString
	K8S_POD_NAME      cnitypes.UnmarshallableString
	K8S_POD_UID       cnitypes.UnmarshallableString
}

func main() {
	nothing := func(*skel.CmdArgs) error { return nil }
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Check: nothing, Del: nothing}, version.All, "localkube-netpol")
}

func add(args *skel.CmdArgs) error {
	conf, result, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	request, err := newRequest(args, result)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := assign.Call(ctx, conf.Socket, request); err != nil {
		return fmt.Errorf("isolating pod %s/%s: %w", request.Namespace, request.Name, err)
	}
	return cnitypes.PrintResult(conf.PrevResult, conf.CNIVersion)
}

func parse(stdin []byte) (*config, *current.Result, error) {
	conf := &config{}
	if err := json.Unmarshal(stdin, conf); err != nil {
		return nil, nil, fmt.Errorf("reading network configuration: %w", err)
	}
	if conf.Socket == "" {
		return nil, nil, errors.New("reading network configuration: socket is not set")
	}
	if conf.RawPrevResult == nil {
		return nil, nil, errors.New("reading network configuration: must follow a plugin that gives addresses")
	}
	if err := version.ParsePrevResult(&conf.NetConf); err != nil {
		return nil, nil, fmt.Errorf("reading the previous plugin's result: %w", err)
	}
	result, err := current.NewResultFromResult(conf.PrevResult)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the previous plugin's result: %w", err)
	}
	return conf, result, nil
}

// newRequest names the pod, its IPv4 address and its node. The plugin runs in
// the node's network namespace, not the pod's.
func newRequest(args *skel.CmdArgs, result *current.Result) (assign.Request, error) {
	var pod podArgs
	if err := cnitypes.LoadArgs(args.Args, &pod); err != nil {
		return assign.Request{}, fmt.Errorf("reading CNI_ARGS: %w", err)
	}
	if pod.K8S_POD_NAMESPACE == "" || pod.K8S_POD_NAME == "" {
		return assign.Request{}, errors.New("reading CNI_ARGS: they do not name the pod")
	}
	node, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return assign.Request{}, fmt.Errorf("finding the node's network namespace: %w", err)
	}
	request := assign.Request{
		Namespace: string(pod.K8S_POD_NAMESPACE), Name: string(pod.K8S_POD_NAME), UID: string(pod.K8S_POD_UID),
		NetNS: node.Sys().(*syscall.Stat_t).Ino,
	}
	for _, ip := range result.IPs {
		if addr, ok := netip.AddrFromSlice(ip.Address.IP); ok && addr.Unmap().Is4() {
			request.Address = addr.Unmap()
			return request, nil
		}
	}
	return assign.Request{}, fmt.Errorf("pod %s/%s got no IPv4 address", request.Namespace, request.Name)
}
