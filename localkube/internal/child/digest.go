package child

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"

	"github.com/landfall-dev/landfall/localkube/internal/plan"
)

// digestOf stands for all that makes a process what it is, the build of its
// executable included: another build replaces the process.
func digestOf(spec plan.Process) (string, error) {
	build, err := BuildOf(spec.Program)
	if err != nil {
		return "", fmt.Errorf("finding the program of %s: %w", spec.Name, err)
	}
	hash := sha256.New()
	err = json.NewEncoder(hash).Encode(struct {
		Spec  plan.Process
		Build string
	}{spec, build})
	return hex.EncodeToString(hash.Sum(nil)), err
}

// BuildOf identifies the content of an executable: by the build ID that Go's
// linker leaves, else by size and time.
func BuildOf(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if file, err := elf.Open(path); err == nil {
		defer file.Close()
		if section := file.Section(".note.go.buildid"); section != nil {
			if id, err := section.Data(); err == nil {
				sum := sha256.Sum256(id)
				return hex.EncodeToString(sum[:]), nil
			}
		}
	}
	return fmt.Sprintf("%d bytes of %s", info.Size(), info.ModTime()), nil
}
