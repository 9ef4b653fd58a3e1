// Package watchdog is `landfall watchdog`: what stands beside a HAProxy while a
// migration moves its traffic. Start at New.
package watchdog

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/watchdog"
)

// flags of the command.
type flags struct {
	haproxy          string
	listen           string
	tokenFile        string
	state            string
	serverState      string
	backends         []string
	tlsCert, tlsKey  string
	insecureListener bool
}

// New makes the command.
func New(c *command.Context) *cobra.Command {
	f := &flags{}
	cmd := &cobra.Command{
		Use:   "watchdog",
		Short: "Stand beside a HAProxy: return its traffic when Landfall is silent",
		Long: `Run on the machine of a HAProxy, until interrupted, and let Landfall change its
weights through here. That is worth three things:

  - A migration with deadMan: when no Landfall has been heard for that long, all
    traffic returns to the old side, by the watchdog alone.
  - A Landfall that another has taken over from cannot write any more.
  - Reloads keep the weights: HAProxy's server-state-file follows each change.

Deadlines survive the end of the watchdog, kill -9 too: the next start goes on
with them. In the migration, name the watchdog's address (https://host:port)
instead of HAProxy's socket. Only weights and maintenance of the servers named in
an order can be changed through it, and only with the token.`,
		Example: `  # beside HAProxy, for this machine's network
  landfall watchdog --haproxy unix:///run/haproxy/admin.sock --listen 10.0.0.5:9188 \
    --token-file /etc/landfall/watchdog.token --tls-cert watchdog.crt --tls-key watchdog.key \
    --server-state /var/lib/haproxy/server-state --backend shop

  # is it there?
  curl https://10.0.0.5:9188/healthz`,
		Args: command.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), c) },
	}
	set := cmd.Flags()
	set.StringVar(&f.haproxy, "haproxy", "unix:///run/haproxy/admin.sock", "`address` of HAProxy's runtime interface, with level admin")
	set.StringVar(&f.listen, "listen", "127.0.0.1:9188", "`address` for Landfall's orders")
	set.StringVar(&f.tokenFile, "token-file", "", "`file` with the token that Landfall must show")
	set.StringVar(&f.state, "state", "/var/lib/landfall/watchdog.json", "`file` that keeps deadlines and epochs")
	set.StringVar(&f.serverState, "server-state", "", "HAProxy's server-state-`file`, to be written after each change")
	set.StringArrayVar(&f.backends, "backend", nil, "`name` of a backend that may be changed; repeat it for more; all by default")
	set.StringVar(&f.tlsCert, "tls-cert", "", "PEM `file` with the certificate to serve with")
	set.StringVar(&f.tlsKey, "tls-key", "", "PEM `file` with its key")
	set.BoolVar(&f.insecureListener, "insecure-listen", false, "serve without TLS on an address that is not this machine's own: the token can be read on the way")
	_ = cmd.MarkFlagRequired("token-file")
	cmd.AddCommand(newSnippet(c), newConfigure(c))
	return cmd
}

func (f *flags) run(ctx context.Context, c *command.Context) error {
	socket, err := haproxy.ParseSocket(f.haproxy)
	if err != nil {
		return err
	}
	token, err := readToken(f.tokenFile)
	if err != nil {
		return err
	}
	listener, err := f.open()
	if err != nil {
		return err
	}
	defer listener.Close()
	log := slog.New(slog.NewTextHandler(c.Err, nil))
	dog, err := watchdog.Open(watchdog.Options{
		HAProxy: socket, Backends: f.backends, State: f.state, ServerState: f.serverState, Log: log,
	})
	if err != nil {
		return err
	}
	if _, err := socket.Ask(ctx, "show info"); err != nil {
		log.Warn("HAProxy does not answer yet", "error", err)
	}
	log.Info("watching", "haproxy", socket.String(), "listen", listener.Addr().String(), "tls", f.tlsCert != "")
	return serve(ctx, dog, listener, token)
}

// serve watches and takes orders until the context ends. Deadlines go on in the
// state file.
func serve(ctx context.Context, dog *watchdog.Watchdog, listener net.Listener, token string) error {
	server := &http.Server{Handler: dog.Handler(token), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		failed <- server.Serve(listener)
		cancel()
	}()
	dog.Run(ctx)
	patience, enough := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer enough()
	_ = server.Shutdown(patience) // orders under way that take longer are tried again
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving orders: %w", err)
	}
	return nil
}

// open listens. Tokens cross networks only in TLS, unless somebody says that
// this one may not need it.
func (f *flags) open() (net.Listener, error) {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Write --listen HOST:PORT.", "reading --listen: %w", err)
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return nil, fault.New(fault.Invalid, "Give both --tls-cert and --tls-key.", "reading the certificate: half of it is missing")
	}
	ip := net.ParseIP(host)
	own := host == "localhost" || ip != nil && ip.IsLoopback()
	if f.tlsCert == "" && !own && !f.insecureListener {
		return nil, fault.New(fault.Refused, "Give --tls-cert and --tls-key, or --insecure-listen where the network is trusted.",
			"listening on %s: the token could be read on the way", f.listen)
	}
	listener, err := net.Listen("tcp", f.listen)
	if err != nil || f.tlsCert == "" {
		return listener, fault.Wrap(fault.Failed, err, "Choose another address with --listen.")
	}
	certificate, err := tls.LoadX509KeyPair(f.tlsCert, f.tlsKey)
	if err != nil {
		return nil, errors.Join(fault.New(fault.Invalid, "Give a certificate and its key as PEM files.", "reading the certificate: %w", err), listener.Close())
	}
	return tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), nil
}

// minToken is what can hardly be guessed.
const minToken = 16

func readToken(file string) (string, error) {
	const hint = "Write one: `openssl rand -hex 32`, readable by the watchdog alone."
	content, err := os.ReadFile(file)
	if err != nil {
		return "", fault.New(fault.Invalid, hint, "reading the token: %w", err)
	}
	token := strings.TrimSpace(string(content))
	if len(token) < minToken || strings.ContainsAny(token, "\r\n") {
		return "", fault.New(fault.Invalid, hint, "reading the token in %s: it is not one line of %d or more characters", file, minToken)
	}
	return token, nil
}
