// Package fault says what kind of failure an error is, so that main can turn
// it into an exit code and the user gets a next step. It knows nothing of
// clusters. Start reading at New.
package fault

import "errors"

// Class is the kind of a failure.
type Class int

const (
	// Failed is an operation that did not succeed, or whose outcome is unknown.
	Failed Class = iota
	// Usage is a command line that makes no sense.
	Usage
	// Refused is an operation that was not begun because it would do harm.
	Refused
	// Interrupted is an operation that the user ended.
	Interrupted
)

// ExitCode is the process exit code of the class.
func (c Class) ExitCode() int {
	switch c {
	case Usage:
		return 2
	case Refused:
		return 4
	case Interrupted:
		return 130
	default:
		return 3
	}
}

// Error is a classified error with a next step for the user.
type Error struct {
	Class Class
	// Hint is the next step, a full sentence or a command; may be empty.
	Hint string
	err  error
}

// New classifies err and adds the next step. A nil err stays nil.
func New(class Class, err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Hint: hint, err: err}
}

func (e *Error) Error() string { return e.err.Error() }

// Unwrap returns the classified cause.
func (e *Error) Unwrap() error { return e.err }

// ClassOf returns the outermost class found in err's chain, Failed by default.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Failed
}

// HintOf returns the outermost hint found in err's chain.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.err
	}
	return ""
}
