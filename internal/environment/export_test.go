package environment

// PodOf is for tests that ask an API server about a workload's pods.
var PodOf = podOf
