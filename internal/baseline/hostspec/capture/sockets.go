package capture

import (
	"encoding/hex"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/landfall-dev/landfall/internal/baseline/hostspec"
)

// States and flags of /proc/net; see proc_pid_net(5).
const (
	tcpListening  = "0A"
	udpBound      = "07"
	unixListening = 0x10000
)

// parseSockets writes what listens, with the process that holds the socket.
func parseSockets(in *Input, processes map[int]*process, out *Builder) {
	holders := map[string]*process{}
	for _, pid := range slices.Backward(sortedKeys(processes)) {
		for _, inode := range processes[pid].sockets {
			holders[inode] = processes[pid] // the oldest of those that share it
		}
	}
	users := namesByID(in, "/etc/passwd")
	for _, table := range []struct{ file, protocol, state string }{
		{"/proc/net/tcp", "tcp", tcpListening}, {"/proc/net/tcp6", "tcp", tcpListening},
		{"/proc/net/udp", "udp", udpBound}, {"/proc/net/udp6", "udp", udpBound},
	} {
		data, err := in.Read(table.file)
		if err != nil && !missing(err) {
			out.Unknown(hostspec.Socket, err.Error())
		}
		for _, line := range Lines(data) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != table.state {
				continue
			}
			address, ok := socketAddress(f[1])
			if !ok || table.protocol == "udp" && passingPort(in, address.Port()) {
				continue
			}
			out.Add(hostspec.Socket, table.protocol+" "+address.String(), holderOf(in, holders[f[9]]), Text("user", orID(users, f[7])))
		}
	}
	parseUnixSockets(in, holders, out)
}

// holderOf names the process that holds a socket. Of others only root sees it.
func holderOf(in *Input, p *process) hostspec.Attribute {
	switch {
	case p != nil:
		return Text("process", path.Base(p.program()))
	case in.UID != 0:
		return Unknown("process", in.denied("/proc/*/fd"))
	}
	return hostspec.Attribute{} // the kernel's own, or a session's
}

// socketAddress reads "0100007F:0050": words of four bytes in the host's order
// (little endian on all that Landfall knows), and a port.
func socketAddress(text string) (netip.AddrPort, bool) {
	address, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(address)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := range slices.Chunk(raw, 4) {
		slices.Reverse(word)
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip, uint16(number)), ok
}

// passingPort says that a port is of those that the kernel hands out to
// clients: a UDP client is bound, too, while it waits for an answer.
func passingPort(in *Input, port uint16) bool {
	low, high := uint64(32768), uint64(60999)
	data, _ := in.Read("/proc/sys/net/ipv4/ip_local_port_range")
	if f := strings.Fields(string(data)); len(f) == 2 {
		low, _ = strconv.ParseUint(f[0], 10, 16)
		high, _ = strconv.ParseUint(f[1], 10, 16)
	}
	return uint64(port) >= low && uint64(port) <= high
}

// parseUnixSockets writes listening sockets that have a path of their own for
// long: not those of sessions and temporary folders.
func parseUnixSockets(in *Input, holders map[string]*process, out *Builder) {
	data, err := in.Read("/proc/net/unix")
	if err != nil {
		return
	}
	for _, line := range Lines(data) {
		f := strings.Fields(line)
		if len(f) < 8 || !strings.HasPrefix(f[7], "/") {
			continue
		}
		flags, err := strconv.ParseUint(f[3], 16, 32)
		if err != nil || flags&unixListening == 0 {
			continue
		}
		name := strings.Join(f[7:], " ")
		if strings.HasPrefix(name, "/tmp/") || strings.HasPrefix(name, "/run/user/") || strings.HasPrefix(name, "/proc/") {
			continue
		}
		out.Add(hostspec.Socket, "unix "+name, holderOf(in, holders[f[6]]))
	}
}
