// Command landfall creates environments on Kubernetes, deploys, rolls back,
// reads logs and destroys them again.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	legacyshop "github.com/landfall-dev/landfall/examples/legacy-shop"
	"github.com/landfall-dev/landfall/internal/cli"
	"github.com/landfall-dev/landfall/internal/cli/command"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends the program at once
	c := command.System()
	c.LegacyShop = legacyshop.Recipe
	code := cli.Main(ctx, c, os.Args[1:])
	stop()
	os.Exit(code)
}
