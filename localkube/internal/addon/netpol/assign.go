package netpol

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/localkube/internal/addon/netpol/assign"
)

const (
	// answerTimeout bounds one conversation with the plugin, which the kubelet
	// repeats.
	answerTimeout = 10 * time.Second
	// podPoll is how often the watch is asked for a pod it must soon show.
	podPoll = 5 * time.Millisecond
)

// listen takes the socket over from an agent that has ended.
func listen(socket string) (net.Listener, error) {
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("taking over the socket: %w", err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("listening for the network plugin: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		listener.Close()
		return nil, fmt.Errorf("protecting the socket: %w", err)
	}
	return listener, nil
}

// serve answers the network plugin until the listener is closed.
func (a *agent) serve(ctx context.Context, listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			slog.Error("hearing the network plugin", "error", err)
			continue
		}
		go func() {
			if err := assign.Answer(ctx, conn, answerTimeout, a.assign); err != nil {
				slog.Error("answering the network plugin", "error", err)
			}
		}()
	}
}

// assign takes a pod's address and returns when its rules are in force.
func (a *agent) assign(ctx context.Context, request assign.Request) error {
	if !request.Address.Is4() {
		return fmt.Errorf("pod %s/%s: address %q is not IPv4", request.Namespace, request.Name, request.Address)
	}
	uid, err := a.waitForPod(ctx, request)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	wanted := assignment{
		pod:   types.NamespacedName{Namespace: request.Namespace, Name: request.Name},
		value: assigned{uid: uid, addr: request.Address},
		netns: request.NetNS,
		done:  done,
	}
	select {
	case a.assignments <- wanted:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitForPod waits until the watch shows the pod, whose labels decide which
// policies select it. The kubelet heard of it first, if only just.
func (a *agent) waitForPod(ctx context.Context, request assign.Request) (types.UID, error) {
	ticker := time.NewTicker(podPoll)
	defer ticker.Stop()
	for {
		pod, err := a.pods.Pods(request.Namespace).Get(request.Name)
		if err == nil && (request.UID == "" || string(pod.UID) == request.UID) {
			return pod.UID, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("pod %s/%s is not known to the API server", request.Namespace, request.Name)
		case <-ticker.C:
		}
	}
}
