package logs

import (
	"context"
	"io"
	"net/url"
	"time"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/logs"
	"github.com/landfall-dev/landfall/internal/logs/httpapi"
	"github.com/landfall-dev/landfall/internal/logs/loki"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// lokiFlags say where a team's Loki is, if it has one.
type lokiFlags struct {
	address, tenant string
	labels          loki.Labels
	getenv          func(string) string
}

func (f *lokiFlags) addTo(set *pflag.FlagSet, getenv func(string) string) {
	f.getenv = getenv
	set.StringVar(&f.address, "loki", getenv("LANDFALL_LOKI"), "take gathered logs from the Loki server at this `URL` instead of Landfall's archive; also $LANDFALL_LOKI, with $LANDFALL_LOKI_TOKEN, or $LANDFALL_LOKI_USERNAME and $LANDFALL_LOKI_PASSWORD")
	set.StringVar(&f.tenant, "loki-tenant", getenv("LANDFALL_LOKI_TENANT"), "`tenant` to ask Loki as; also $LANDFALL_LOKI_TENANT")
	set.StringVar(&f.labels.Component, "loki-component-label", "component", "`label` of Loki's streams that names the component")
}

// source gives where gathered logs come from, and what it is called.
func (f *lokiFlags) source(c *command.Context) (logs.Source, string, error) {
	if f.address == "" {
		source, err := Archive(c)
		return source, "the log archive", err
	}
	source, err := loki.New(loki.Options{
		URL: f.address, Tenant: f.tenant, Labels: f.labels, Clock: c.Clock,
		Token: f.getenv("LANDFALL_LOKI_TOKEN"), Username: f.getenv("LANDFALL_LOKI_USERNAME"), Password: f.getenv("LANDFALL_LOKI_PASSWORD"),
	})
	return source, "Loki", err
}

// Where `landfall serve` answers for gathered logs.
const (
	archiveNamespace = "landfall-system"
	archiveService   = "landfall"
	archivePort      = "http"
)

// archiveAnswer is how long the archive may take to begin to answer.
const archiveAnswer = 5 * time.Second

// Archive asks `landfall serve` through the API server, which passes requests
// on to Services: whoever may read logs needs no other way in. The project's
// token says that he may.
func Archive(c *command.Context) (logs.Source, error) {
	config, err := c.RESTConfig()
	if err != nil {
		return nil, err
	}
	config.Timeout = 0
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	objects, err := c.Client()
	if err != nil {
		return nil, err
	}
	return &httpapi.Client{Get: func(ctx context.Context, values url.Values) (io.ReadCloser, error) {
		secret := &corev1.Secret{}
		if err := objects.Get(ctx, types.NamespacedName{Namespace: values.Get("project"), Name: v1alpha1.SecretLogs}, secret); err != nil {
			return nil, err
		}
		request := kube.CoreV1().RESTClient().Get().Namespace(archiveNamespace).Resource("services").
			Name("http:"+archiveService+":"+archivePort).SubResource("proxy").Suffix(httpapi.Path).
			SetHeader(httpapi.HeaderToken, string(secret.Data[v1alpha1.KeyToken]))
		for name, all := range values {
			for _, value := range all {
				request = request.Param(name, value)
			}
		}
		return begin(ctx, request.Stream)
	}}, nil
}

// begin makes a request whose answer must begin in time but may last.
func begin(ctx context.Context, open func(context.Context) (io.ReadCloser, error)) (io.ReadCloser, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(archiveAnswer, func() { cancel(context.DeadlineExceeded) })
	defer timer.Stop()
	body, err := open(ctx)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		cancel(nil)
		return nil, err
	}
	return &answer{body, cancel}, nil
}

// answer ends its request when it is closed.
type answer struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (a *answer) Close() error {
	defer a.cancel(nil)
	return a.ReadCloser.Close()
}

// notInstalled says that the cluster has no archive, or none for this user:
// then there is nothing to miss.
func notInstalled(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
}
