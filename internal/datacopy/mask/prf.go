package mask

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"

	"github.com/landfall-dev/landfall/internal/datacopy"
)

// prf makes pseudo-random bits out of a key and values: HMAC-SHA256 of texts,
// and permutations of numbers built on AES. Safe for concurrent use.
type prf struct {
	key   Key
	block cipher.Block
}

// scratch is what one worker needs for one value at a time. Reusing it keeps
// masking free of garbage.
type scratch struct {
	*prf
	mac   hash.Hash
	sum   [sha256.Size]byte
	fold  []byte
	plain [aes.BlockSize]byte
	coded [aes.BlockSize]byte
}

func newPRF(key Key) (*prf, error) {
	block, err := aes.NewCipher(key.numbers)
	if err != nil {
		return nil, err
	}
	return &prf{key: key, block: block}, nil
}

// of gives the scratch that the engine's worker keeps for us.
func (p *prf) of(kept *datacopy.Scratch) *scratch {
	if s, ok := kept.State.(*scratch); ok && s.prf == p {
		return s
	}
	s := &scratch{prf: p, mac: hmac.New(sha256.New, p.key.text)}
	kept.State = s
	return s
}

// Purposes keep the bits of one use apart from those of another.
const (
	forToken byte = iota + 1
	forName
	forDate
	forHash
	forBytes
)

// bits of a value for a purpose. They are valid until s is used again.
func (s *scratch) bits(purpose byte, value []byte) []byte {
	s.mac.Reset()
	s.plain[0] = purpose
	s.mac.Write(s.plain[:1])
	s.mac.Write(value)
	return s.mac.Sum(s.sum[:0])
}

// rounds of the Feistel network: NIST SP 800-38G takes 10 for FF1.
const rounds = 10

// permute gives the image of x under a permutation of the numbers below n (0
// stands for 2^64), one for each tweak: different numbers stay different, so
// that unique columns stay unique. It is a balanced Feistel network over just
// enough bits, walked until it ends below n.
func (s *scratch) permute(tweak uint32, n, x uint64) uint64 {
	if n == 1 {
		return x
	}
	half := uint((bits.Len64(n-1) + 1) / 2) // of 0 this is all 64 bits
	mask := uint64(1)<<half - 1
	for {
		left, right := x>>half&mask, x&mask
		for round := range byte(rounds) {
			left, right = right, left^(s.round(tweak, n, round, right)&mask)
		}
		x = left<<half | right
		if n == 0 || x < n {
			return x
		}
	}
}

// round is the network's round function; halves have at most 32 bits.
func (s *scratch) round(tweak uint32, n uint64, round byte, value uint64) uint64 {
	binary.LittleEndian.PutUint64(s.plain[:], value|uint64(tweak&0xffffff)<<32|uint64(round)<<56)
	binary.LittleEndian.PutUint64(s.plain[8:], n)
	s.block.Encrypt(s.coded[:], s.plain[:])
	return binary.LittleEndian.Uint64(s.coded[:])
}
