// Command board asks the shop for its orders now and then and says how many
// there are: on a page, and in its log. It comes with the shop as a Helm chart.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"
)

// version is set by the linker.
var version = "0"

const interval = 10 * time.Second

func main() {
	log.SetFlags(0)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var latest atomic.Pointer[string]
	go watch(ctx, os.Getenv("SHOP"), &latest)
	server := &http.Server{Addr: ":8081", ReadHeaderTimeout: 5 * time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text := "nothing known yet"
		if known := latest.Load(); known != nil {
			text = *known
		}
		fmt.Fprintf(w, "board %s: %s\n", version, text)
	})
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatalf("board %s: %v", version, err)
	}
}

// watch keeps latest what was last seen of the shop.
func watch(ctx context.Context, shop string, latest *atomic.Pointer[string]) {
	for ctx.Err() == nil {
		text, err := count(ctx, shop)
		if err != nil {
			text = "the shop does not answer: " + err.Error()
		}
		if before := latest.Swap(&text); before == nil || *before != text {
			log.Printf("board %s: %s", version, text)
		}
		select {
		case <-ctx.Done():
		case <-time.After(interval):
		}
	}
}

func count(ctx context.Context, shop string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, shop+"/orders", nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", errors.New(response.Status)
	}
	var orders []struct {
		State string `json:"state"`
	}
	if err := json.NewDecoder(response.Body).Decode(&orders); err != nil {
		return "", err
	}
	sent := 0
	for _, o := range orders {
		if o.State == "sent" {
			sent++
		}
	}
	return fmt.Sprintf("%d orders, %d of them sent", len(orders), sent), nil
}
