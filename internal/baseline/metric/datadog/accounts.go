package datadog

import "sync"

// Accounts opens each account once, so that all who ask it share its limits. The
// zero value is ready; it is safe for concurrent use.
type Accounts struct {
	mu   sync.Mutex
	open map[Config]*Account
}

// Open gives the account. Errors are fault.Invalid. Nothing is asked yet.
func (a *Accounts) Open(c Config) (*Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if account := a.open[c]; account != nil {
		return account, nil
	}
	account, err := New(c)
	if err != nil {
		return nil, err
	}
	if a.open == nil {
		a.open = map[Config]*Account{}
	}
	a.open[c] = account
	return account, nil
}
