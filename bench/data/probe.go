package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// stops are the longest that a client of a server had to wait: by the clock,
// which on a machine that others use is mostly the machine's doing, and of
// that what the server itself worked meanwhile.
type stops struct{ wall, work time.Duration }

func (s stops) longer(other stops) stops {
	return stops{wall: max(s.wall, other.wall), work: max(s.work, other.work)}
}

// probe asks a server something every millisecond until ctx ends. It has a
// thread of its own, before all others where the system allows that, so that
// it waits for the server and not for the processor.
func probe(ctx context.Context, port string, server *os.Process) (longest stops, err error) {
	runtime.LockOSThread()
	// The thread must not end: it may be that which started the servers, which
	// end with it.
	defer runtime.UnlockOSThread()
	defer schedule(unix.SCHED_NORMAL, 0)
	schedule(unix.SCHED_FIFO, 1)
	conn, err := blockingConn(port)
	if err != nil {
		return longest, fmt.Errorf("probing port %s: %w", port, err)
	}
	defer func() { _ = unix.Close(conn) }() // it was only read
	answer := make([]byte, 64)
	for ctx.Err() == nil {
		began, worked := time.Now(), workOf(server)
		if _, err := unix.Write(conn, []byte("PING\r\n")); err != nil {
			return longest, fmt.Errorf("probing port %s: %w", port, err)
		}
		if n, err := unix.Read(conn, answer); err != nil || n == 0 {
			return longest, fmt.Errorf("probing port %s: %d bytes came, %w", port, n, err)
		}
		wall := time.Since(began)
		longest = longest.longer(stops{wall: wall, work: min(wall, workOf(server)-worked)})
		time.Sleep(time.Millisecond)
	}
	return longest, nil
}

// schedule changes how the system treats this thread, where it lets us.
func schedule(policy, priority uint32) {
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}, 0)
}

// blockingConn connects without Go's poller, which would wake another thread.
func blockingConn(port string) (int, error) {
	number, err := strconv.Atoi(port)
	if err != nil {
		return 0, err
	}
	conn, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	err = unix.Connect(conn, &unix.SockaddrInet4{Port: number, Addr: [4]byte(net.IPv4(127, 0, 0, 1).To4())})
	if err == nil {
		err = unix.SetsockoptInt(conn, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	if err != nil {
		_ = unix.Close(conn)
	}
	return conn, err
}

// workOf is how long a process's first thread, which in Redis does everything
// that clients wait for, has had the processor.
func workOf(process *os.Process) (work time.Duration) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", process.Pid, process.Pid))
	if err == nil {
		_, _ = fmt.Sscan(string(text), (*int64)(&work))
	}
	return work
}
