// Command testpod is what the pods of the add-on tests run: an HTTP server
// that does, inside the pod, what the test asks for.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	// With an address as argument, it is dialled before anything else, and the
	// outcome kept: the first packet that the pod ever sends.
	first := "not asked"
	if len(os.Args) > 1 {
		first = dial(os.Args[1], 3*time.Second)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		name, _ := os.Hostname()
		fmt.Fprint(w, name)
	})
	http.HandleFunc("/first", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, first) })
	http.HandleFunc("/dial", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, dial(r.FormValue("address"), 500*time.Millisecond))
	})
	http.HandleFunc("/lookup", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		addresses, err := net.DefaultResolver.LookupHost(ctx, r.FormValue("name"))
		reply(w, strings.Join(addresses, " "), err)
	})
	http.HandleFunc("/read", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile(r.FormValue("path"))
		reply(w, string(text), err)
	})
	http.HandleFunc("/write", func(w http.ResponseWriter, r *http.Request) {
		reply(w, "written", os.WriteFile(r.FormValue("path"), []byte(r.FormValue("text")), 0o600))
	})
	http.HandleFunc("/burn", func(w http.ResponseWriter, r *http.Request) {
		duration, err := time.ParseDuration(r.FormValue("for"))
		go burn(duration)
		reply(w, "burning", err)
	})
	go func() { log.Fatal(http.ListenAndServe(":9090", nil)) }()
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func dial(address string, timeout time.Duration) string {
	conn, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return "refused: " + err.Error()
	}
	conn.Close()
	return "connected"
}

func burn(duration time.Duration) {
	for end := time.Now().Add(duration); time.Now().Before(end); {
	}
}

func reply(w http.ResponseWriter, text string, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, text)
}
