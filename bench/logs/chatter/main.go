// Command chatter is what the log benchmark reads: it prints a number of
// lines like those of a web server, then waits to be stopped.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	lines, err := strconv.Atoi(os.Getenv("LINES"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "LINES is not a number")
		os.Exit(2)
	}
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := range lines {
		fmt.Fprintf(out, "10.%d.%d.%d \"GET /orders/%d?session=%08x HTTP/1.1\" 200 %d \"Mozilla/5.0 (X11; Linux x86_64)\" %dms\n",
			i%256, i/256%256, i%7, i, uint32(i)*2654435761, 500+i%9000, i%120)
	}
	_ = out.Flush()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
}
