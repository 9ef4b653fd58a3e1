package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	utilexec "k8s.io/client-go/util/exec"
	"k8s.io/streaming/pkg/httpstream"
)

// Exec is a program to run in a container that is running.
type Exec struct {
	Namespace, Pod string
	// Container may be empty: the pod's default.
	Container string
	Command   []string
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
}

// Run runs it and gives its exit code. An error means that it could not be run,
// or that the connection broke. Over WebSocket, or SPDY with API servers and
// proxies that know no better.
func (e Exec) Run(ctx context.Context, config *rest.Config) (exit int, err error) {
	config = rest.CopyConfig(config)
	config.Timeout = 0 // the stream may be long; ctx bounds it
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return 0, fmt.Errorf("reaching the cluster: %w", err)
	}
	request := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(e.Namespace).Name(e.Pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{
			Container: e.Container, Command: e.Command,
			Stdin: e.Stdin != nil, Stdout: e.Stdout != nil, Stderr: e.Stderr != nil,
		}, scheme.ParameterCodec)
	socket, err := remotecommand.NewWebSocketExecutor(config, "GET", request.URL().String())
	if err != nil {
		return 0, fmt.Errorf("reaching the cluster: %w", err)
	}
	spdy, err := remotecommand.NewSPDYExecutor(config, "POST", request.URL())
	if err != nil {
		return 0, fmt.Errorf("reaching the cluster: %w", err)
	}
	executor, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return 0, fmt.Errorf("reaching the cluster: %w", err)
	}
	err = executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdin: e.Stdin, Stdout: e.Stdout, Stderr: e.Stderr})
	var code utilexec.CodeExitError
	if errors.As(err, &code) {
		return code.Code, nil
	}
	if err != nil {
		return 0, fmt.Errorf("running %s in pod %s/%s: %w", e.Command[0], e.Namespace, e.Pod, err)
	}
	return 0, nil
}

// NoSuchProgram says that the container has no such program, in the words of
// runc and containerd.
func NoSuchProgram(err error) bool {
	return strings.Contains(err.Error(), "executable file not found") || strings.Contains(err.Error(), "no such file or directory")
}

// noSuchContainer says that the pod or its container does not exist, in the
// words of the API server and the kubelet.
func noSuchContainer(err error) bool {
	text := err.Error()
	return strings.Contains(text, "pods \"") && strings.Contains(text, "not found") || strings.Contains(text, "is not valid for pod") ||
		strings.Contains(text, "container not found")
}
