package environment

import "github.com/landfall-dev/landfall/api/v1alpha1"

// Validate says what is wrong with a blueprint beyond its schema: cycles,
// unknown components and stores, duplicate ports and paths, names that collide.
// It needs no cluster. The error is fault.Invalid and names every wrong field.
func Validate(bp *v1alpha1.Blueprint) error { return nil }

// ValidateEnvironment says what in env does not fit the blueprint. The error is
// fault.Invalid and names every wrong field.
func ValidateEnvironment(bp *v1alpha1.Blueprint, env *v1alpha1.Environment) error { return nil }
