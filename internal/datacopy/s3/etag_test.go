package s3

import (
	"strings"
	"testing"
)

func TestETagOf(t *testing.T) {
	tests := []struct {
		name, contents string
		part           int64
		want           string
	}{
		{"one piece", "hello", 0, "5d41402abc4b2a76b9719d911017c592"},
		{"empty", "", 0, "d41d8cd98f00b204e9800998ecf8427e"},
		{"one part", "hello", 10, "62109206880d38a4010a98e11243924a-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, size, err := etagOf(strings.NewReader(tt.contents), tt.part)
			if err != nil || size != int64(len(tt.contents)) {
				t.Fatalf("size %d, %v", size, err)
			}
			if got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestJudge(t *testing.T) {
	const sum, other = "5d41402abc4b2a76b9719d911017c592", "d41d8cd98f00b204e9800998ecf8427e"
	tests := []struct {
		name           string
		source, target object
		want           verdict
	}{
		{"equal", object{size: 1, etag: sum}, object{size: 1, etag: sum}, same},
		{"another size", object{size: 1, etag: sum}, object{size: 2, etag: sum}, different},
		{"another MD5", object{size: 1, etag: sum}, object{size: 1, etag: other}, different},
		{"in parts and not", object{size: 1, etag: sum + "-2"}, object{size: 1, etag: sum}, unsure},
		{"in other parts", object{size: 1, etag: sum + "-2"}, object{size: 1, etag: other + "-3"}, unsure},
		{"no ETags", object{size: 1}, object{size: 1}, unsure},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := judge(&tt.source, &tt.target); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestPartsOf(t *testing.T) {
	for etag, want := range map[string]int{"abc": 0, "abc-3": 3, "abc-0": 0, "abc-x": 0, "abc-10001": 0, "": 0, "-5": 5} {
		if got := partsOf(etag); got != want {
			t.Errorf("parts of %q are %d, want %d", etag, got, want)
		}
	}
}

func TestReadsOptions(t *testing.T) {
	if o, err := readOptions(map[string]string{"tags": "false", "storage-class": "GLACIER"}); err != nil || o.tags || o.storageClass != "GLACIER" {
		t.Errorf("got %+v, %v", o, err)
	}
	if _, err := readOptions(map[string]string{"tag": "false"}); err == nil {
		t.Error("an unknown option is taken")
	}
}
