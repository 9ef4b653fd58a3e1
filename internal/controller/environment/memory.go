package environment

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what is only worth knowing while the process lives: losing it
// costs a few requests, never correctness. Safe for concurrent use.
type memory struct {
	mu   sync.Mutex
	envs map[types.NamespacedName]*recollection
}

// recollection is what is remembered of one environment.
type recollection struct {
	// attempt is the newest attempt to make a release that failed.
	attempt *attempt
	// secrets of the project that its inputs came from.
	secrets map[string]bool
	// changed: objects of it changed since they were compared.
	changed bool
	// compared, diagnosed and healed say when that was done last.
	compared, diagnosed, healed time.Time
	// credentials for registries that were applied, as a fingerprint.
	credentials string
	// announced is the problem that the newest event told of.
	announced string
}

// attempt is a release that could not be made. Rendering and resolving again
// before anything changed or its time has come would bring the same.
type attempt struct {
	hash, approved, redeploy, credentials string
	problem                               *problem
	until                                 time.Time
}

// uses notes that the environment depends on one more Secret of the project.
func (k *recollection) uses(secret string) {
	if k.secrets == nil {
		k.secrets = map[string]bool{}
	}
	k.secrets[secret] = true
}

func newMemory() *memory {
	return &memory{envs: map[types.NamespacedName]*recollection{}}
}

// of lets f read and change what is remembered of an environment.
func (m *memory) of(key types.NamespacedName, f func(*recollection)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.envs[key]
	if known == nil {
		known = &recollection{changed: true}
		m.envs[key] = known
	}
	f(known)
}

func (m *memory) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.envs, key)
}

// usersOf gives the environments of a project whose inputs come from a Secret.
func (m *memory) usersOf(secret types.NamespacedName) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var users []types.NamespacedName
	for key, known := range m.envs {
		if key.Namespace == secret.Namespace && known.secrets[secret.Name] {
			users = append(users, key)
		}
	}
	return users
}

// changed notes that objects of an environment changed.
func (m *memory) noteChange(key types.NamespacedName) {
	m.of(key, func(k *recollection) { k.changed = true })
}

// once lets something happen at most every so often; mark is the time it
// happened last.
func (m *memory) once(key types.NamespacedName, mark func(*recollection) *time.Time, now time.Time, every time.Duration) bool {
	due := false
	m.of(key, func(k *recollection) {
		last := mark(k)
		if due = now.Sub(*last) >= every; due {
			*last = now
		}
	})
	return due
}
