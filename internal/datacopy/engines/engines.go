// Package engines knows which engine copies which kind of store. Start at For.
package engines

import (
	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/mysql"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/s3"
	"github.com/landfall-dev/landfall/internal/fault"
)

// For gives the engine of a kind of store.
func For(kind datacopy.Kind) (datacopy.Engine, error) {
	switch kind {
	case datacopy.MySQL:
		return mysql.New(), nil
	case datacopy.Redis:
		return redis.New(), nil
	case datacopy.S3:
		return s3.New(), nil
	}
	return nil, fault.New(fault.Invalid, "Stores are mysql, redis or s3.", "copying data: there is no engine for stores of kind %q", kind)
}
