// Package server picks the adapter for a store server by its address. It is
// apart from package store so that adapters can import that. Start at Open.
package server

import (
	"github.com/landfall-dev/landfall/internal/environment/store"
	"github.com/landfall-dev/landfall/internal/environment/store/mysql"
	"github.com/landfall-dev/landfall/internal/environment/store/redis"
	"github.com/landfall-dev/landfall/internal/environment/store/s3"
	"github.com/landfall-dev/landfall/internal/fault"
)

// Open gives the provisioner for the administrator's address of a server:
// mysql:// (mariadb:// too), redis:// or rediss://, s3://. It connects at the
// first use. The caller closes it.
func Open(serverURL string) (store.Provisioner, error) {
	address, err := store.ParseServer(serverURL)
	if err != nil {
		return nil, err
	}
	switch address.Scheme {
	case "mysql", "mariadb":
		return mysql.Open(address)
	case "redis", "rediss":
		return redis.Open(address)
	case "s3":
		return s3.Open(address)
	}
	return nil, fault.New(fault.Invalid, "Use mysql://, redis://, rediss:// or s3://.",
		"reading the store server's address: scheme %q is unknown", address.Scheme)
}
