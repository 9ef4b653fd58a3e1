package servertest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// FreeAddress is one of 127.0.0.1 that nothing listened on just now.
func FreeAddress(t testing.TB) string {
	t.Helper()
	address, err := Free()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// FreePort is the port of a FreeAddress.
func FreePort(t testing.TB) string {
	t.Helper()
	_, port, err := net.SplitHostPort(FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// Ports that are handed out. The kernel gives outgoing connections theirs from
// 32768 on (net.ipv4.ip_local_port_range), and another test's connection must
// not have the port that a server is about to listen on.
const (
	firstPort = 20000
	ports     = 10000
)

// Free is FreeAddress for where no test runs yet, as in TestMain.
func Free() (address string, err error) {
	for range 100 {
		var listener net.Listener
		if listener, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.N(ports)))); err == nil {
			defer listener.Close()
			return listener.Addr().String(), nil
		}
	}
	return "", err
}

// Accept serves every connection by hand, and gives the address. Each is closed
// when serve returns; they may be served at once.
func Accept(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
	return listener.Addr().String()
}
