//go:build tools

package main

import _ "github.com/vmware-tanzu/velero/cmd/velero" // built by bench/transfer
