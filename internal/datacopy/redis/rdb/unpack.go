package rdb

// maxUnpacked is how many bytes LZF makes of one at most: three bytes stand for
// up to 264.
const maxUnpacked = 88

// unpack appends what LZF made of size bytes. Each run begins with a control
// byte: below 32 so many bytes and one follow as they are; else its upper three
// bits are a length (7: one more byte of it follows) and the rest and a byte the
// distance to go back to.
func unpack(to, packed []byte, size int) ([]byte, error) {
	start := len(to)
	for len(packed) > 0 {
		control := int(packed[0])
		packed = packed[1:]
		if control < 32 {
			n := control + 1
			if n > len(packed) {
				return to, errBroken
			}
			to, packed = append(to, packed[:n]...), packed[n:]
			continue
		}
		length := control >> 5
		if length == 7 {
			if len(packed) == 0 {
				return to, errBroken
			}
			length += int(packed[0])
			packed = packed[1:]
		}
		if len(packed) == 0 {
			return to, errBroken
		}
		back := (control&0x1f)<<8 | int(packed[0]) + 1
		packed = packed[1:]
		from := len(to) - back
		if length += 2; from < start || len(to)+length-start > size {
			return to, errBroken
		}
		if back >= length {
			to = append(to, to[from:from+length]...)
			continue
		}
		// What is copied reaches into what it makes.
		for range length {
			to = append(to, to[from])
			from++
		}
	}
	if len(to)-start != size {
		return to, errBroken
	}
	return to, nil
}
