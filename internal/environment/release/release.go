// Package release turns what an environment is to run into the bytes that a
// Release keeps, and back, so that a rollback needs no git, chart repository
// or registry; and computes from a list of releases how well a team deploys.
// It is pure: it knows no client and no clock. Start at Encode.
package release

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/landfall-dev/landfall/api/v1alpha1"
	"github.com/landfall-dev/landfall/internal/environment"
	"github.com/landfall-dev/landfall/internal/fault"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Limits of stored contents, in bytes.
const (
	// MaxChunk is the most that one Secret is given; Kubernetes takes 1 MiB.
	MaxChunk = 900_000
	// MaxContents is the most that a release may be before compression. It
	// bounds what Decode allocates.
	MaxContents = 64 << 20
)

// ContentKey is the key of a chunk in the data of the Secret that keeps it.
const ContentKey = "contents"

// formatVersion is written into the contents; Decode refuses what is newer.
const formatVersion = 1

// Contents is all that a release must bring back.
type Contents struct {
	// Desired holds the objects to run.
	Desired *environment.Desired
	// Blueprint and Environment are what the objects were rendered from, for
	// people to compare; a rollback does not read them.
	Blueprint   v1alpha1.BlueprintSpec
	Environment v1alpha1.EnvironmentSpec
}

type storedContents struct {
	Format      int                         `json:"format"`
	Stages      []storedStage               `json:"stages"`
	Components  []v1alpha1.ReleaseComponent `json:"components,omitempty"`
	URLs        []v1alpha1.URL              `json:"urls,omitempty"`
	Blueprint   v1alpha1.BlueprintSpec      `json:"blueprint"`
	Environment v1alpha1.EnvironmentSpec    `json:"environment"`
}

type storedStage struct {
	Name    string         `json:"name"`
	Wait    bool           `json:"wait,omitempty"`
	Objects []storedObject `json:"objects"`
}

type storedObject struct {
	Component string          `json:"component,omitempty"`
	Object    json.RawMessage `json:"object"`
}

// Encode compresses contents into chunks of at most MaxChunk bytes. Equal
// contents give equal bytes. Contents over MaxContents are fault.Invalid.
func Encode(c Contents) ([][]byte, error) {
	stored, err := pack(c)
	if err != nil {
		return nil, err
	}
	plain, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encoding release contents: %w", err)
	}
	if len(plain) > MaxContents {
		return nil, fault.New(fault.Invalid, "Split the blueprint, or move large files out of it.",
			"encoding release contents: %d bytes of objects, more than the %d a release keeps", len(plain), MaxContents)
	}
	compressed, err := compress(plain)
	if err != nil {
		return nil, fmt.Errorf("compressing release contents: %w", err)
	}
	return split(compressed), nil
}

// Decode gives back what Encode was given. It allocates no more than
// MaxContents whatever the bytes claim.
func Decode(chunks [][]byte) (Contents, error) {
	plain, err := decompress(bytes.Join(chunks, nil))
	if err != nil {
		return Contents{}, fmt.Errorf("decompressing release contents: %w", err)
	}
	var stored storedContents
	if err := json.Unmarshal(plain, &stored); err != nil {
		return Contents{}, fmt.Errorf("decoding release contents: %w", err)
	}
	if stored.Format != formatVersion {
		return Contents{}, fault.New(fault.Failed, "Use the version of Landfall that made the release, or a newer one.",
			"decoding release contents: format %d, this program reads %d", stored.Format, formatVersion)
	}
	return unpack(stored)
}

func pack(c Contents) (storedContents, error) {
	stored := storedContents{
		Format: formatVersion, Components: c.Desired.Components, URLs: c.Desired.URLs,
		Blueprint: c.Blueprint, Environment: c.Environment,
	}
	for _, stage := range c.Desired.Stages {
		s := storedStage{Name: stage.Name, Wait: stage.Wait, Objects: make([]storedObject, 0, len(stage.Objects))}
		for _, o := range stage.Objects {
			text, err := json.Marshal(o.Object.Object)
			if err != nil {
				return storedContents{}, fmt.Errorf("encoding %s %s: %w", o.Object.GetKind(), o.Object.GetName(), err)
			}
			s.Objects = append(s.Objects, storedObject{Component: o.Component, Object: text})
		}
		stored.Stages = append(stored.Stages, s)
	}
	return stored, nil
}

func unpack(stored storedContents) (Contents, error) {
	c := Contents{
		Desired:     &environment.Desired{Components: stored.Components, URLs: stored.URLs},
		Blueprint:   stored.Blueprint,
		Environment: stored.Environment,
	}
	for _, s := range stored.Stages {
		stage := environment.Stage{Name: s.Name, Wait: s.Wait}
		for i, o := range s.Objects {
			object := &unstructured.Unstructured{}
			if err := object.UnmarshalJSON(o.Object); err != nil {
				return Contents{}, fmt.Errorf("decoding object %d of stage %s: %w", i+1, s.Name, err)
			}
			if object.IsList() {
				return Contents{}, fmt.Errorf("decoding object %d of stage %s: a list, not one object", i+1, s.Name)
			}
			stage.Objects = append(stage.Objects, environment.Object{Component: o.Component, Object: object})
		}
		c.Desired.Stages = append(c.Desired.Stages, stage)
	}
	return c, nil
}

func compress(plain []byte) ([]byte, error) {
	var out bytes.Buffer
	w := gzip.NewWriter(&out) // no name, no time: equal input, equal output
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func decompress(compressed []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(r, MaxContents+1))
	if err != nil {
		return nil, err
	}
	if len(plain) > MaxContents {
		return nil, errors.New("more than a release may hold")
	}
	return plain, nil
}

func split(compressed []byte) [][]byte {
	var chunks [][]byte
	for len(compressed) > MaxChunk {
		chunks = append(chunks, compressed[:MaxChunk])
		compressed = compressed[MaxChunk:]
	}
	return append(chunks, compressed)
}
