package s3

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type element struct{ Parent, Name, Text string }

func ours(document []byte) (all []element, err error) {
	err = elements(document, func(parent, name string, text []byte) error {
		all = append(all, element{parent, name, string(text)})
		return nil
	})
	return all, err
}

// theirs is the same by encoding/xml.
func theirs(document []byte) (all []element, err error) {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	open, text := []string{""}, ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			open, text = append(open, token.Name.Local), ""
		case xml.CharData:
			text += string(token)
		case xml.EndElement:
			last := len(open) - 1
			all = append(all, element{open[last-1], open[last], text})
			open, text = open[:last], ""
		}
	}
}

const aListing = `<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix><Empty/>
  <Contents a="&gt;>"><Key>a%2Bb</Key><ETag>&quot;d41d8&#34;</ETag><Size>0</Size></Contents>
  <x:Contents><!-- none --><Key>a<![CDATA[<&>]]>b&amp;lt;</Key></x:Contents>
</ListBucketResult>
`

func TestElementsAreThoseOfTheStandardLibrary(t *testing.T) {
	got, err := ours([]byte(aListing))
	if err != nil {
		t.Fatal(err)
	}
	want, err := theirs([]byte(aListing))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatIsNotWholeIsNoAnswer(t *testing.T) {
	for at := range strings.TrimSpace(aListing) {
		if _, err := ours([]byte(aListing[:at])); err == nil {
			t.Fatalf("the first %d bytes count as all: %q", at, aListing[:at])
		}
	}
	for _, text := range []string{"", "text", "<a></b>", "<a/><b/>", "<!DOCTYPE a><a/>", "</a>", "<a/>text", "<>", "</>"} {
		if got, err := ours([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// What both can read, they read alike; nothing makes ours panic.
func FuzzElements(f *testing.F) {
	f.Add([]byte(aListing))
	f.Add([]byte(`<Error><Code>NoSuchKey</Code></Error>`))
	f.Fuzz(func(t *testing.T, document []byte) {
		got, err := ours(document)
		if err != nil || bytes.ContainsAny(document, "&'\r") {
			return
		}
		want, err := theirs(document)
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", document, diff)
		}
	})
}
