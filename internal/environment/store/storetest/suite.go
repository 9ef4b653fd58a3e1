// Package storetest is the conformance suite that every store.Provisioner
// passes, and starts the real servers it runs against. Start at Run.
package storetest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/store/server"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Client uses a store as an application would, with nothing but settings.
type Client interface {
	// Write keeps a value under a key; names are those of the store.
	Write(ctx context.Context, own store.Settings, key, value string) error
	// Read gives "" for an absent key.
	Read(ctx context.Context, own store.Settings, key string) (string, error)
	// Trespass tries with own credentials to read a key of another's store.
	Trespass(ctx context.Context, own, others store.Settings, key string) (string, error)
	// Plant makes, as administrator, what Ensure would make for req.
	Plant(ctx context.Context, serverURL string, req store.Request) error
	// Planted says whether it is there still.
	Planted(ctx context.Context, serverURL string, req store.Request) (bool, error)
}

// Suite is one adapter under test.
type Suite struct {
	ServerURL string
	Client    Client
	// Secret is the key of the settings that holds the password.
	Secret string
}

// Run runs every case against the server.
func Run(t *testing.T, s Suite) {
	provisioner, err := server.Open(s.ServerURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provisioner.Close() })
	r := run{Suite: s, provisioner: provisioner}
	t.Run("gives settings that work", r.works)
	t.Run("is idempotent and keeps data and password", r.idempotent)
	t.Run("sets a new password when the old one is lost", r.rotates)
	t.Run("keeps environments apart", r.apart)
	t.Run("removes all and only once", r.removes)
	t.Run("refuses what is not ours", r.foreign)
	t.Run("quotes hostile names", r.hostile)
	t.Run("bears concurrent calls", r.concurrent)
	t.Run("leaks no secret and ends when told to", r.interrupted)
	t.Run("refuses incomplete requests", r.incomplete)
}

type run struct {
	Suite
	provisioner store.Provisioner
}

func request(t *testing.T) store.Request {
	return store.Request{Project: "default", Environment: "staging", UID: t.Name(), Store: "db"}
}

func (r run) ensure(t *testing.T, req store.Request) store.Settings {
	t.Helper()
	settings, err := r.provisioner.Ensure(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.provisioner.Remove(context.Background(), req); err != nil {
			t.Error(err)
		}
	})
	return settings
}

func (r run) write(t *testing.T, s store.Settings, key, value string) {
	t.Helper()
	if err := r.Client.Write(t.Context(), s, key, value); err != nil {
		t.Fatalf("writing with the store's own settings: %v", err)
	}
}

func (r run) wantValue(t *testing.T, s store.Settings, key, want string) {
	t.Helper()
	got, err := r.Client.Read(t.Context(), s, key)
	if err != nil || got != want {
		t.Errorf("read %q, %v; want %q", got, err, want)
	}
}

func (r run) works(t *testing.T) {
	settings := r.ensure(t, request(t))
	r.write(t, settings, "k", "v")
	r.wantValue(t, settings, "k", "v")
	if strings.Contains(settings.String(), settings[r.Secret]) || settings[r.Secret] == "" {
		t.Error("printing the settings shows the password, or there is none")
	}
}

func (r run) idempotent(t *testing.T) {
	req := request(t)
	first := r.ensure(t, req)
	r.write(t, first, "k", "v")
	req.Existing = first
	second := r.ensure(t, req)
	if !cmp.Equal(first, second) {
		t.Error("settings changed")
	}
	r.wantValue(t, second, "k", "v")
}

func (r run) rotates(t *testing.T) {
	req := request(t)
	first := r.ensure(t, req)
	r.write(t, first, "k", "v")
	second := r.ensure(t, req)
	if first[r.Secret] == second[r.Secret] {
		t.Error("the password did not change")
	}
	r.wantValue(t, second, "k", "v")
	if _, err := r.Client.Read(t.Context(), first, "k"); err == nil {
		t.Error("the old password still works")
	}
}

func (r run) apart(t *testing.T) {
	mine, others := request(t), request(t)
	others.Environment = "pr-1"
	a, b := r.ensure(t, mine), r.ensure(t, others)
	r.write(t, a, "k", "mine")
	if got, err := r.Client.Trespass(t.Context(), b, a, "k"); err == nil {
		t.Errorf("another environment reads %q", got)
	}
	r.wantValue(t, b, "k", "")
}

func (r run) removes(t *testing.T) {
	req := request(t)
	settings := r.ensure(t, req)
	r.write(t, settings, "k", "v")
	for range 2 {
		if err := r.provisioner.Remove(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Client.Read(t.Context(), settings, "k"); err == nil {
		t.Error("the store can be used after its removal")
	}
	again := r.ensure(t, req)
	r.wantValue(t, again, "k", "")
}

func (r run) foreign(t *testing.T) {
	req := request(t)
	if err := r.Client.Plant(t.Context(), r.ServerURL, req); err != nil {
		t.Fatal(err)
	}
	if _, err := r.provisioner.Ensure(t.Context(), req); fault.ClassOf(err) != fault.Refused {
		t.Errorf("Ensure on somebody else's: %v, want a refusal", err)
	}
	if err := r.provisioner.Remove(t.Context(), req); err != nil {
		t.Errorf("Remove on somebody else's: %v", err)
	}
	there, err := r.Client.Planted(t.Context(), r.ServerURL, req)
	if err != nil || !there {
		t.Errorf("somebody else's was removed (%v)", err)
	}
}

func (r run) hostile(t *testing.T) {
	for _, name := range []string{"a'b\"c`d", "x; DROP DATABASE mysql; --", "%_*?[a-z]", "..", strings.Repeat("long", 80), "имя", "~* +@all"} {
		req := request(t)
		req.Environment, req.Store = name, name
		settings, err := r.provisioner.Ensure(t.Context(), req)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		r.write(t, settings, "k", "v")
		r.wantValue(t, settings, "k", "v")
		if err := r.provisioner.Remove(t.Context(), req); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func (r run) concurrent(t *testing.T) {
	req := request(t)
	req.Existing = r.ensure(t, req)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := r.provisioner.Ensure(t.Context(), req); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	r.wantValue(t, req.Existing, "k", "")
}

func (r run) interrupted(t *testing.T) {
	address, err := store.ParseServer(r.ServerURL)
	if err != nil {
		t.Fatal(err)
	}
	address.Host = "127.0.0.1:1"
	dead, err := server.Open(address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	began := time.Now()
	_, err = dead.Ensure(t.Context(), request(t))
	if err == nil || strings.Contains(err.Error(), password) || strings.Contains(err.Error(), PasswordInURL) {
		t.Errorf("dead server: %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("a dead server took %s", took)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.provisioner.Ensure(ended, request(t)); err == nil {
		t.Error("Ensure went on after its context ended")
	}
}

func (r run) incomplete(t *testing.T) {
	req := request(t)
	req.UID = ""
	if _, err := r.provisioner.Ensure(t.Context(), req); err == nil {
		t.Error("Ensure without a UID succeeded")
	}
	if err := r.provisioner.Remove(t.Context(), req); err == nil {
		t.Error("Remove without a UID succeeded")
	}
}
