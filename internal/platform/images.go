package platform

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/image"
	"github.com/landfall-dev/landfall/internal/image/debian"
	"github.com/landfall-dev/landfall/internal/progress"
)

// Names of the images in the registry, below "landfall/".
const (
	imageController = "controller"
	imageFrontDoor  = "front-door"
	imageMariaDB    = "mariadb"
	imageRedis      = "redis"
	imageVersityGW  = "versitygw"
)

// storeImages is the image of each store server.
var storeImages = map[string]string{"mysql": imageMariaDB, "redis": imageRedis, "s3": imageVersityGW}

// EnvVersityGW names the versitygw program to run as S3 server.
const EnvVersityGW = "LANDFALL_VERSITYGW"

var (
	//go:embed scripts/mariadb.sh
	mariadbScript []byte
	//go:embed scripts/redis.sh
	redisScript []byte
	//go:embed scripts/versitygw.sh
	versitygwScript []byte
)

// Builder makes the platform's images out of this program, Debian packages and
// versitygw. What did not change is not made again.
type Builder struct {
	Cache  *image.Cache
	Debian *debian.Fetcher
	// Program is the landfall binary.
	Program string
	Getenv  func(string) string
}

// NewBuilder makes a Builder with the caches of the user, for the program that
// runs.
func NewBuilder(getenv func(string) string) (Builder, error) {
	cache, err := image.DefaultCache()
	if err != nil {
		return Builder{}, err
	}
	fetcher, err := debian.DefaultFetcher()
	if err != nil {
		return Builder{}, err
	}
	program, err := os.Executable()
	if err != nil {
		return Builder{}, fmt.Errorf("finding the landfall program: %w", err)
	}
	return Builder{Cache: cache, Debian: fetcher, Program: program, Getenv: getenv}, nil
}

type builtImage struct {
	name string
	img  v1.Image
}

// build makes the named images, two at a time.
func (b Builder) build(ctx context.Context, names []string, step progress.Step) ([]builtImage, error) {
	controller := sync.OnceValues(b.controller)
	makers := map[string]func(context.Context) (v1.Image, error){
		imageController: func(context.Context) (v1.Image, error) { return controller() },
		imageFrontDoor:  func(ctx context.Context) (v1.Image, error) { return b.frontDoor(ctx, controller) },
		imageMariaDB:    b.mariadb, imageRedis: b.redis, imageVersityGW: b.versitygw,
	}
	images := make([]builtImage, len(names))
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for i, name := range names {
		group.Go(func() error {
			img, err := makers[name](ctx)
			if err != nil {
				return fmt.Errorf("building image %s: %w", name, err)
			}
			images[i] = builtImage{name, img}
			step.Count(done.Add(1), int64(len(names)), "images")
			return nil
		})
	}
	return images, group.Wait()
}

// push sends the images and gives their references by digest, and how many
// the registry had not.
func push(ctx context.Context, registry string, images []builtImage, step progress.Step) (map[string]string, int, error) {
	references := make(map[string]string, len(images))
	sent := 0
	for _, built := range images {
		step.Update("%s", built.name)
		pushed, err := image.Push(ctx, built.img, registry+"/landfall/"+built.name+":latest", func(done, total int64) {
			step.Count(done, total, "B")
		})
		if err != nil {
			return nil, 0, err
		}
		if !pushed.Unchanged {
			sent++
		}
		references[built.name] = pushed.Image
	}
	return references, sent, nil
}

func (b Builder) controller() (v1.Image, error) {
	return image.Build(b.Cache, b.Program, nil, image.Config{Entrypoint: []string{programPath(b.Program)}})
}

func programPath(program string) string { return "/usr/local/bin/" + filepath.Base(program) }

// frontDoor is the controller's image, whose layers the registry has, with
// HAProxy on top.
func (b Builder) frontDoor(ctx context.Context, controller func() (v1.Image, error)) (v1.Image, error) {
	base, err := controller()
	if err != nil {
		return nil, err
	}
	root, err := b.Debian.Root(ctx, "haproxy")
	if err != nil {
		return nil, err
	}
	tree := image.NewTree()
	if err := tree.AddBinary(root, "/usr/sbin/haproxy"); err != nil {
		return nil, err
	}
	return image.Assemble(b.Cache, base, image.Config{Env: map[string]string{"PATH": "/usr/local/bin:/usr/sbin:/usr/bin"}}, tree)
}

func (b Builder) mariadb(ctx context.Context) (v1.Image, error) {
	return b.server(ctx, "mariadb-server-core", "/usr/sbin/mariadbd", mariadbScript, func(root string, tree *image.Tree) error {
		share := filepath.Join(root, "usr/share/mysql")
		for _, folder := range []string{"english", "charsets"} {
			if err := tree.AddFolder("/usr/share/mysql/"+folder, filepath.Join(share, folder)); err != nil {
				return err
			}
		}
		for _, file := range []string{"mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql"} {
			if err := tree.AddFile("/usr/share/mysql/"+file, filepath.Join(share, file)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b Builder) redis(ctx context.Context) (v1.Image, error) {
	return b.server(ctx, "redis-server", "/usr/bin/redis-server", redisScript, nil)
}

func (b Builder) versitygw(ctx context.Context) (v1.Image, error) {
	program, err := b.findVersityGW()
	if err != nil {
		return nil, err
	}
	shell, err := b.shell(ctx)
	if err != nil {
		return nil, err
	}
	tree := image.NewTree()
	if err := tree.AddFile("/usr/local/bin/versitygw", program); err != nil {
		return nil, err
	}
	tree.AddBytes("/entrypoint.sh", 0o755, versitygwScript)
	return image.Assemble(b.Cache, nil, serverConfig, shell, tree)
}

// findVersityGW looks where $LANDFALL_VERSITYGW says, beside landfall, and on
// PATH.
func (b Builder) findVersityGW() (string, error) {
	if named := b.Getenv(EnvVersityGW); named != "" {
		return named, nil
	}
	beside := filepath.Join(filepath.Dir(b.Program), "versitygw")
	if _, err := os.Stat(beside); err == nil {
		return beside, nil
	}
	found, err := exec.LookPath("versitygw")
	if err != nil {
		return "", fault.New(fault.Failed, "Run `make build`, which brings it, or leave it out with --stores mysql,redis.",
			"finding versitygw: not beside landfall and not on PATH")
	}
	return found, nil
}

// serverConfig is how store servers run: nobody in particular, by a script.
var serverConfig = image.Config{
	Entrypoint: []string{"/entrypoint.sh"}, User: image.NonRoot,
	Env: map[string]string{"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/bin"},
}

// server makes the image of a program from a Debian package.
func (b Builder) server(ctx context.Context, pkg, program string, script []byte, more func(root string, tree *image.Tree) error) (v1.Image, error) {
	shell, err := b.shell(ctx)
	if err != nil {
		return nil, err
	}
	root, err := b.Debian.Root(ctx, pkg)
	if err != nil {
		return nil, err
	}
	tree := image.NewTree()
	if err := tree.AddBinary(root, program); err != nil {
		return nil, err
	}
	if more != nil {
		if err := more(root, tree); err != nil {
			return nil, err
		}
	}
	tree.AddBytes("/entrypoint.sh", 0o755, script)
	return image.Assemble(b.Cache, nil, serverConfig, shell, tree)
}

// shell is the layer that every store server has: users, /tmp and busybox.
func (b Builder) shell(ctx context.Context) (*image.Tree, error) {
	root, err := b.Debian.Root(ctx, "busybox-static")
	if err != nil {
		return nil, err
	}
	tree := image.NewTree()
	tree.AddBasics()
	if err := tree.AddFile("/bin/busybox", filepath.Join(root, "bin/busybox")); err != nil {
		return nil, err
	}
	for _, tool := range []string{"sh", "cat", "grep", "ls", "mkdir", "mv", "nc", "ps", "rm"} {
		tree.AddLink("/bin/"+tool, "busybox")
	}
	return tree, nil
}
