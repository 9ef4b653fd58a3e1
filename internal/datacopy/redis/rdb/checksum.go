package rdb

import (
	"encoding/binary"
	"hash/crc64"
)

// jones is the polynomial of Redis's CRC-64, reflected.
const jones = 0x95ac9329ac4bc9b5

// sums are tables to take eight bytes at once. hash/crc64 has them for its own
// two polynomials only, and without them takes four times as long.
var sums = func() (tables [8]crc64.Table) {
	tables[0] = *crc64.MakeTable(jones)
	for i := range tables[0] {
		sum := tables[0][i]
		for n := 1; n < 8; n++ {
			sum = tables[0][sum&0xff] ^ sum>>8
			tables[n][i] = sum
		}
	}
	return tables
}()

// checksum goes on with a CRC-64 as Redis has it: it begins with 0 and is not
// inverted.
func checksum(sum uint64, data []byte) uint64 {
	for ; len(data) >= 8; data = data[8:] {
		sum ^= binary.LittleEndian.Uint64(data)
		sum = sums[7][sum&0xff] ^ sums[6][sum>>8&0xff] ^ sums[5][sum>>16&0xff] ^ sums[4][sum>>24&0xff] ^
			sums[3][sum>>32&0xff] ^ sums[2][sum>>40&0xff] ^ sums[1][sum>>48&0xff] ^ sums[0][sum>>56]
	}
	for _, b := range data {
		sum = sums[0][byte(sum)^b] ^ sum>>8
	}
	return sum
}
