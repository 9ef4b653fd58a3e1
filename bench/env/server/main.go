// Command server is the smallest component that can be healthy: it answers
// every request with its version. The benchmark deploys it.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	answer := os.Getenv("ANSWER")
	log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, answer+"\n")
	})))
}
