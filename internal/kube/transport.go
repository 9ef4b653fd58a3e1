package kube

import "errors"

var errNotAnswering = errors.New("the cluster's API server does not answer")
