package wire

import (
	"bytes"
	"encoding/binary"
	"net"
)

// greeting stands between go-mysql and the server while they log in, and adds
// what the library does not know: MariaDB has a second word of capabilities, in
// bytes that are reserved in MySQL's protocol. See "Initial Handshake Packet"
// and "Handshake Response Packet" in MariaDB's documentation.
type greeting struct {
	net.Conn
	// seen is what the server sent before the first answer.
	seen     []byte
	answered bool
	// arrays says that both sides agreed on arrays of parameters.
	arrays bool
}

const (
	// capabilityMySQL is the first bit of the first word; who leaves it out
	// means the second word.
	capabilityMySQL = 1
	// capabilityArrays is MARIADB_CLIENT_STMT_BULK_OPERATIONS, in the second.
	capabilityArrays = 1 << 2
	// The answer has its capabilities behind a packet's header, the second word
	// behind four more bytes, a character set and what is reserved.
	answerCapabilities = 4
	answerExtensions   = 4 + 4 + 4 + 1 + 19
	answerSize         = answerExtensions + 4
)

// Read implements net.Conn.
func (g *greeting) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if !g.answered {
		g.seen = append(g.seen, b[:n]...)
	}
	return n, err
}

// Write implements net.Conn. The first packet, which may be no more than the
// wish for TLS, tells the capabilities.
func (g *greeting) Write(b []byte) (int, error) {
	if g.answered {
		return g.Conn.Write(b)
	}
	g.answered = true
	if g.arrays = extensions(g.seen)&capabilityArrays != 0 && len(b) >= answerSize; g.arrays {
		b = bytes.Clone(b)
		b[answerCapabilities] &^= capabilityMySQL
		binary.LittleEndian.PutUint32(b[answerExtensions:], capabilityArrays)
	}
	g.seen = nil
	return g.Conn.Write(b)
}

// extensions reads the second word of capabilities from a server's first
// packet, 0 when it has none.
func extensions(packet []byte) uint32 {
	const header, protocol = 4, 10
	if len(packet) <= header || packet[header] != protocol {
		return 0
	}
	_, rest, found := bytes.Cut(packet[header+1:], []byte{0}) // the version
	const capabilities = 4 + 8 + 1                            // the connection's number and salt
	const second = capabilities + 2 + 1 + 2 + 2 + 1 + 6
	if !found || len(rest) < second+4 || rest[capabilities]&capabilityMySQL != 0 {
		return 0
	}
	return binary.LittleEndian.Uint32(rest[second:])
}
