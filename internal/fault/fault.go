// Package fault classifies errors once, so that the edge (CLI, web,
// controller) can turn them into an exit code or status without looking at
// texts. An error carries what a person needs: what happened, to which object,
// and the next step. It imports nothing of ours.
package fault

import (
	"context"
	"errors"
	"fmt"
)

// Class says what kind of failure an error is.
type Class int

// Classes of failure, with the exit codes of docs/spec.
const (
	// Failed: the operation failed, or its answer is unknown. The default.
	Failed Class = iota
	// Invalid: what the user wrote is wrong (flags, files, objects).
	Invalid
	// NotFound: an object named by the user does not exist.
	NotFound
	// Refused: it could be done, but not safely without being told to.
	Refused
	// NotHolding: a check was made and its answer is no (drift, difference).
	NotHolding
)

// Exit codes of the command line.
const (
	ExitOK          = 0
	ExitNotHolding  = 1
	ExitUsage       = 2
	ExitFailed      = 3
	ExitRefused     = 4
	ExitInterrupted = 130
)

var names = map[Class]string{
	Failed: "failed", Invalid: "invalid", NotFound: "not-found", Refused: "refused", NotHolding: "not-holding",
}

// String is the class's name as printed in JSON errors.
func (c Class) String() string { return names[c] }

// Error is a classified error. Message and Hint are safe to show: they hold no
// secret. Errors are immutable and safe for concurrent use.
type Error struct {
	Class   Class
	Message string
	// Hint is the next step, an imperative sentence. May be empty.
	Hint string
	// Err is the cause. May be nil.
	Err error
}

// Error gives the message and its cause.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Message
	case e.Message == "":
		return e.Err.Error()
	}
	return e.Message + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes a classified error. The format takes %w.
func New(class Class, hint, format string, args ...any) error {
	return &Error{Class: class, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Wrap classifies err, which may be nil, and adds a hint.
func Wrap(class Class, err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Class: class, Hint: hint, Err: err}
}

// ClassOf gives the class of the outermost classified error in err's chain,
// or Failed.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Failed
}

// HintOf gives the outermost hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// ExitCode turns an error into the command's exit code; nil is 0.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var e *Error
	if !errors.As(err, &e) && errors.Is(err, context.Canceled) {
		return ExitInterrupted
	}
	switch ClassOf(err) {
	case Invalid, NotFound:
		return ExitUsage
	case Refused:
		return ExitRefused
	case NotHolding:
		return ExitNotHolding
	default:
		return ExitFailed
	}
}
