// Command localkube runs real Kubernetes clusters on one machine. The one
// binary is also every component of such a cluster: the first argument says
// which, else it is a command for people.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/landfall-dev/landfall/localkube/internal/cli"
	"github.com/landfall-dev/landfall/localkube/internal/component"
)

// systemPath is where system programs are; a login shell's PATH may lack it.
const systemPath = "/usr/local/sbin:/usr/sbin:/sbin"

func main() {
	if len(os.Args) > 1 {
		if run, ok := component.Lookup(os.Args[1]); ok {
			// The component finds its own flags in os.Args.
			os.Args = os.Args[1:]
			os.Exit(run())
		}
	}
	os.Setenv("PATH", os.Getenv("PATH")+":"+systemPath)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	streams := cli.Streams{Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	code := cli.Run(ctx, os.Args[1:], streams)
	stop()
	os.Exit(code)
}
