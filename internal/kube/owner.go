package kube

import (
	"k8s.io/apimachinery/pkg/types"

	"github.com/landfall-dev/landfall/api/v1alpha1"
)

// Owner is the Environment for which objects are applied. The zero Owner
// stands for Landfall's own platform, whose objects carry no environment.
type Owner struct {
	// Project is the namespace of the Environment.
	Project string
	// Name of the Environment.
	Name string
	// UID of the Environment: one deleted and created anew is another owner.
	UID types.UID
}

// OwnerOf gives the owner that an Environment is.
func OwnerOf(env *v1alpha1.Environment) Owner {
	return Owner{Project: env.Namespace, Name: env.Name, UID: env.UID}
}

// String is the value of the annotation that marks a namespace:
// PROJECT/NAME/UID.
func (o Owner) String() string {
	return o.Project + "/" + o.Name + "/" + string(o.UID)
}
