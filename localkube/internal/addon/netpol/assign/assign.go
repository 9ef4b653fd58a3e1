// Package assign is the conversation between the network plugin, which gives a
// pod its address, and the agent that must know it before the pod starts: one
// JSON request and one JSON reply on a unix socket. It imports only the
// standard library, to keep the plugin small.
package assign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"
)

// maxMessage bounds what either side reads.
const maxMessage = 64 << 10

// replyTime is what is left to write a reply when handling took all its time.
const replyTime = time.Second

// retryPause is how long Call waits for an agent that is just starting.
const retryPause = 100 * time.Millisecond

// Request tells the agent of a pod's address.
type Request struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid,omitempty"`
	// Address is the pod's new address.
	Address netip.Addr `json:"address"`
	// NetNS is the inode of the network namespace of the pod's node.
	NetNS uint64 `json:"netns"`
}

// Reply says that the rules for the pod are in force, or why they are not.
type Reply struct {
	Error string `json:"error,omitempty"`
}

// Call asks the agent and waits until the pod's rules are in force. While
// nothing listens at the socket it tries again until ctx ends.
func Call(ctx context.Context, socket string, request Request) error {
	conn, err := dial(ctx, socket)
	if err != nil {
		return fmt.Errorf("asking the network policy agent: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return fmt.Errorf("asking the network policy agent: %w", err)
		}
	}
	var reply Reply
	if err := json.NewEncoder(conn).Encode(request); err != nil {
		return fmt.Errorf("asking the network policy agent: %w", err)
	}
	if err := json.NewDecoder(io.LimitReader(conn, maxMessage)).Decode(&reply); err != nil {
		return fmt.Errorf("hearing from the network policy agent: %w", err)
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	return nil
}

func dial(ctx context.Context, socket string) (net.Conn, error) {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			return conn, nil
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(retryPause):
		}
	}
}

// Answer reads one request from conn, replies with what handle returns for it,
// which may take as long as timeout, and closes conn.
func Answer(ctx context.Context, conn net.Conn, timeout time.Duration, handle func(context.Context, Request) error) error {
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := conn.SetDeadline(time.Now().Add(timeout + replyTime)); err != nil {
		return err
	}
	var request Request
	if err := json.NewDecoder(io.LimitReader(conn, maxMessage)).Decode(&request); err != nil {
		return fmt.Errorf("reading an assignment: %w", err)
	}
	var reply Reply
	if err := handle(ctx, request); err != nil {
		reply.Error = err.Error()
	}
	return json.NewEncoder(conn).Encode(reply)
}
