// Package stores opens the shop's database, cache and bucket from the
// environment variables that Landfall gives its components: the stores are
// called db, cache and files in blueprint.yaml.
package stores

import (
	"database/sql"
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

// poolSize is how many connections an instance may have. Asking for one more
// waits.
const poolSize = 3

// Database opens the store db; it connects at the first use.
func Database(getenv func(string) string) (*sql.DB, error) {
	config := mysql.NewConfig()
	config.Net, config.Addr = "tcp", net.JoinHostPort(getenv("DB_HOST"), getenv("DB_PORT"))
	config.User, config.Passwd, config.DBName = getenv("DB_USERNAME"), getenv("DB_PASSWORD"), getenv("DB_DATABASE")
	config.ParseTime = true
	config.Timeout = 5 * time.Second
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("reading the settings of the database: %w", err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(poolSize)
	db.SetConnMaxIdleTime(time.Minute)
	return db, nil
}

// Cache is the store cache, and what all of its keys begin with.
type Cache struct {
	*redis.Client
	Prefix string
}

// OpenCache opens the store cache; it connects at the first use.
func OpenCache(getenv func(string) string) (Cache, error) {
	options, err := redis.ParseURL(getenv("CACHE_URL"))
	if err != nil {
		return Cache{}, fmt.Errorf("reading the settings of the cache: %w", err)
	}
	return Cache{Client: redis.NewClient(options), Prefix: getenv("CACHE_PREFIX")}, nil
}

// Key is name in the shop's part of the cache.
func (c Cache) Key(name string) string { return c.Prefix + name }

// Bucket is the store files, and what all of its objects' names begin with.
type Bucket struct {
	*s3.Client
	Name   string
	Prefix string
}

// OpenBucket opens the store files; it connects at the first use.
func OpenBucket(getenv func(string) string) Bucket {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String(getenv("FILES_ENDPOINT")),
		Region:       getenv("FILES_REGION"),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(getenv("FILES_ACCESS_KEY_ID"), getenv("FILES_SECRET_ACCESS_KEY"), ""),
	})
	return Bucket{Client: client, Name: getenv("FILES_BUCKET"), Prefix: getenv("FILES_PREFIX")}
}
