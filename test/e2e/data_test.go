package e2e_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/batch"
)

// TestSeed fills an environment with another one's data: masked in all three
// stores, and the same person in all of them.
func TestSeed(t *testing.T) {
	deleted(t, "giver", "taker")
	shop(t)
	rules := filepath.Join(platform.root, "examples/shop/mask.yaml")
	landfall(t, "env", "create", "giver", "--blueprint", "shop")
	customer := url.Values{"name": {"Anna Sommer"}, "email": {"anna@example.net"}, "phone": {"+49 170 1234567"}}
	within(t, 20*time.Second, "a customer orders", func() error {
		code, body, err := request(http.MethodPost, "web.giver", "/orders/lamp?"+customer.Encode())
		if err == nil && code != http.StatusCreated {
			err = fmt.Errorf("%d %s", code, body)
		}
		return err
	})
	within(t, 30*time.Second, "the receipt is in the bucket", func() error {
		_, body, err := request(http.MethodGet, "web.giver", "/orders")
		if err == nil && !strings.Contains(body, `"sent"`) {
			err = fmt.Errorf("%s", body)
		}
		return err
	})
	landfall(t, "data", "mask", "check", "--from", "giver", "--mask", rules)

	landfall(t, "env", "create", "taker", "--from", "giver", "--seed-from", "giver", "--mask", rules)
	state := query[batch.State](t, "data", "status", "taker-seed")
	if state.Phase != batch.PhaseSucceeded || state.Answer() != datacopy.Equal || len(state.Stores) != 3 {
		t.Errorf("the seed: %s, %s, %d stores", state.Phase, state.Answer(), len(state.Stores))
	}
	answers(t, "web.giver", "/customers", "Anna Sommer <anna@example.net> +49 170 1234567: ")
	var seen string
	within(t, 20*time.Second, "the copy knows its customers", func() (err error) {
		_, seen, err = request(http.MethodGet, "web.taker", "/customers")
		if err == nil && !strings.Contains(seen, "orders; the cache says ") {
			err = fmt.Errorf("%s", seen)
		}
		return err
	})
	if strings.Contains(seen, "Sommer") || strings.Contains(seen, "example.net") || strings.Contains(seen, "1234567") {
		t.Errorf("not masked: %s", seen)
	}
	_, email, _ := strings.Cut(seen, "<")
	email, _, _ = strings.Cut(email, ">")
	if !strings.HasSuffix(strings.TrimSpace(seen), "the cache says "+email) {
		t.Errorf("database and cache do not know the same customer: %s", seen)
	}
	landfall(t, "data", "verify", "--from", "giver", "--to", "taker", "--store", "files", "--mask", rules)
	expect(t, 4, "data", "copy", "--from", "giver", "--to", "taker", "--store", "db", "--mask", rules)
}
