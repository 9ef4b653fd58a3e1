package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/landfall-dev/landfall/bench/bar"
	"github.com/landfall-dev/landfall/internal/datacopy"

	"github.com/landfall-dev/landfall/bench/harness"
)

// Goals for S3.
const (
	s3OverRclone        = 1.4
	s3OverS5cmd         = 1.0
	s3OverRcloneApart   = 1.1
	s3Unchanged         = 0.7 // seconds
	s3ClientCPUToRclone = 0.5
)

// The objects of the full size.
const (
	smallObjects = 10_000
	smallBytes   = 4 << 10
	largeObjects = 20
	largeBytes   = 64 << 20
	largePrefix  = "large/"
)

const (
	s3Key    = "bench"
	s3Secret = "bench-secret"
)

// s3Server is a server of the benchmark's own.
type s3Server struct {
	endpoint string
	cmd      *exec.Cmd
	client   *s3.Client
}

// s3Figures are the seconds of each turn.
type s3Figures struct {
	ours, rclone, s5cmd                          []float64
	oursApart, rcloneApart                       []float64
	unchanged, rcloneUnchanged, oursCPU, peerCPU []float64
}

// measureS3 copies a bucket with Landfall, rclone and s5cmd in turn: on one
// server, then to another, then again with nothing changed.
func measureS3(ctx context.Context, dir string, turns int, scale float64) error {
	program, err := minio.find(ctx)
	if err != nil {
		return err
	}
	peer, err := s5cmd.find(ctx)
	if err != nil {
		return err
	}
	source, err := startMinIO(ctx, program, filepath.Join(dir, "s3-source"))
	if err != nil {
		return err
	}
	defer source.stop()
	target, err := startMinIO(ctx, program, filepath.Join(dir, "s3-target"))
	if err != nil {
		return err
	}
	defer target.stop()
	log.Print("s3: filling the source")
	if err := source.fill(ctx, scale); err != nil {
		return err
	}
	b := &s3Bench{source: source, target: target, s5cmd: peer, objects: int(smallObjects*scale) + int(largeObjects*scale)}
	for turn := range turns {
		if err := b.turn(ctx, turn); err != nil {
			return err
		}
	}
	b.report()
	return nil
}

func (b *s3Bench) report() {
	f := &b.figures
	for name, values := range map[string][]float64{
		"s3-one-server": f.ours, "s3-one-server-rclone": f.rclone, "s3-one-server-s5cmd": f.s5cmd,
		"s3-two-servers": f.oursApart, "s3-two-servers-rclone": f.rcloneApart, "s3-unchanged-rclone": f.rcloneUnchanged,
		"s3-client-cpu": f.oursCPU, "s3-client-cpu-rclone": f.peerCPU,
	} {
		bar.Figure(name, bar.Median(values), "s")
	}
	bar.AtLeast("s3-over-rclone", bar.Ratio(f.rclone, f.ours), "x", s3OverRclone)
	bar.AtLeast("s3-over-s5cmd", bar.Ratio(f.s5cmd, f.ours), "x", s3OverS5cmd)
	bar.AtLeast("s3-two-servers-over-rclone", bar.Ratio(f.rcloneApart, f.oursApart), "x", s3OverRcloneApart)
	bar.AtMost("s3-unchanged", bar.Median(f.unchanged), "s", s3Unchanged)
	bar.AtMost("s3-client-cpu-to-rclone", bar.Ratio(f.oursCPU, f.peerCPU), "x", s3ClientCPUToRclone)
}

// s3Bench is the measurement under way.
type s3Bench struct {
	source, target *s3Server
	s5cmd          string
	objects        int
	figures        s3Figures
}

func (b *s3Bench) processes() []*os.Process {
	return []*os.Process{b.source.cmd.Process, b.target.cmd.Process}
}

// turn runs every tool once, each into a bucket of its own. Of that only the
// large objects are removed afterwards, to spare the disk: a server removes in
// the background, and a file system that has just lost ten thousand folders
// takes longer to make new ones, which the next tool would pay for.
func (b *s3Bench) turn(ctx context.Context, turn int) error {
	f := &b.figures
	type run struct {
		name   string
		server *s3Server
		copy   func(bucket string) (usage, error)
		wall   *[]float64
		cpu    *[]float64
	}
	landfall := func(to *s3Server) func(string) (usage, error) {
		return func(bucket string) (usage, error) {
			return landfallCopy(ctx, b.source.url("source"), to.url(bucket), datacopy.Full, b.processes()...)
		}
	}
	runs := []run{
		{"landfall on one server", b.source, landfall(b.source), &f.ours, nil},
		{"rclone on one server", b.source, func(bucket string) (usage, error) { return b.rclone(ctx, "source", bucket) }, &f.rclone, nil},
		{"s5cmd on one server", b.source, func(bucket string) (usage, error) { return b.cp(ctx, bucket) }, &f.s5cmd, nil},
		{"landfall between servers", b.target, landfall(b.target), &f.oursApart, &f.oursCPU},
		{"rclone between servers", b.target, func(bucket string) (usage, error) { return b.rclone(ctx, "target", bucket) }, &f.rcloneApart, &f.peerCPU},
	}
	for n := range runs {
		// Nobody is always the first, or pays for what another wrote.
		i := (turn + n) % len(runs)
		r := runs[i]
		bucket := fmt.Sprintf("copy-%d-%d", turn, i)
		if err := r.server.make(ctx, bucket); err != nil {
			return err
		}
		syscall.Sync()
		took, err := r.copy(bucket)
		if err != nil {
			return err
		}
		*r.wall = append(*r.wall, took.wall.Seconds())
		if r.cpu != nil {
			*r.cpu = append(*r.cpu, took.cpu.Seconds())
		}
		log.Printf("s3: %s took %.2f s, CPU %.2f s and of servers %.2f s, %d MiB",
			r.name, took.wall.Seconds(), took.cpu.Seconds(), took.servers.Seconds(), took.memory>>20)
		if err := b.check(ctx, r.server, bucket); err != nil {
			return err
		}
		if i == 0 {
			if err := b.again(ctx, bucket); err != nil {
				return err
			}
		}
		if err := r.server.empty(ctx, bucket, largePrefix); err != nil {
			return err
		}
	}
	return nil
}

// again copies into a bucket where nothing differs. What the copies before it
// wrote is on the disk by then, so that they are not measured once more.
func (b *s3Bench) again(ctx context.Context, bucket string) error {
	syscall.Sync()
	took, err := landfallCopy(ctx, b.source.url("source"), b.source.url(bucket), datacopy.Incremental, b.processes()...)
	if err != nil {
		return err
	}
	log.Printf("s3: landfall with nothing changed took %.2f s, CPU %.2f s and of servers %.2f s", took.wall.Seconds(), took.cpu.Seconds(), took.servers.Seconds())
	b.figures.unchanged = append(b.figures.unchanged, took.wall.Seconds())
	if took, err = b.rclone(ctx, "source", bucket); err != nil {
		return err
	}
	log.Printf("s3: rclone with nothing changed took %.2f s, CPU %.2f s and of servers %.2f s", took.wall.Seconds(), took.cpu.Seconds(), took.servers.Seconds())
	b.figures.rcloneUnchanged = append(b.figures.rcloneUnchanged, took.wall.Seconds())
	return nil
}

// rclone as its users tune it.
func (b *s3Bench) rclone(ctx context.Context, to, bucket string) (usage, error) {
	cmd := exec.CommandContext(ctx, "rclone", "sync", "source:source", to+":"+bucket,
		"--transfers", "32", "--checkers", "64", "--fast-list", "--checksum", "--quiet")
	// rclone does not start where a bundle of certificates is set, not even
	// without TLS.
	cmd.Env = append(os.Environ(), "RCLONE_CONFIG="+os.DevNull, "AWS_CA_BUNDLE=")
	for name, server := range map[string]*s3Server{"SOURCE": b.source, "TARGET": b.target} {
		at := "RCLONE_CONFIG_" + name + "_"
		cmd.Env = append(cmd.Env, at+"TYPE=s3", at+"PROVIDER=Minio", at+"ENDPOINT="+server.endpoint,
			at+"ACCESS_KEY_ID="+s3Key, at+"SECRET_ACCESS_KEY="+s3Secret)
	}
	return measured(cmd, b.processes()...)
}

// cp is s5cmd, which copies on one server only.
func (b *s3Bench) cp(ctx context.Context, bucket string) (usage, error) {
	cmd := exec.CommandContext(ctx, b.s5cmd, "--endpoint-url", b.source.endpoint, "--log", "error", "cp", "s3://source/*", "s3://"+bucket+"/")
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+s3Key, "AWS_SECRET_ACCESS_KEY="+s3Secret, "AWS_REGION=us-east-1")
	return measured(cmd, b.processes()...)
}

// check keeps a copy that left objects out from looking quick.
func (b *s3Bench) check(ctx context.Context, server *s3Server, bucket string) error {
	count := 0
	pages := s3.NewListObjectsV2Paginator(server.client, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		count += len(page.Contents)
	}
	if count != b.objects {
		return fmt.Errorf("the bucket %s has %d of %d objects", bucket, count, b.objects)
	}
	return nil
}

func startMinIO(ctx context.Context, program, dir string) (*s3Server, error) {
	return startS3(ctx, func(host string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, "server", "--address", host, "--quiet", dir)
		cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+s3Key, "MINIO_ROOT_PASSWORD="+s3Secret, "MINIO_BROWSER=off", "MINIO_CI_CD=on")
		return cmd
	})
}

// startVersityGW starts the S3 server that environments have, too.
func startVersityGW(ctx context.Context, program, dir string) (*s3Server, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return startS3(ctx, func(host string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, "--port", host, "--quiet", "posix", dir)
		cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s3Key, "ROOT_SECRET_KEY="+s3Secret)
		return cmd
	})
}

// startS3 runs a server at a free address and waits until it answers.
func startS3(ctx context.Context, command func(host string) *exec.Cmd) (*s3Server, error) {
	port, err := harness.FreePort()
	if err != nil {
		return nil, err
	}
	host := net.JoinHostPort("127.0.0.1", port)
	s := &s3Server{endpoint: "http://" + host, cmd: command(host)}
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.client = s3.New(s3.Options{
		BaseEndpoint: &s.endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s3Key, s3Secret, ""),
	})
	for range 600 {
		if _, err = s.client.ListBuckets(ctx, &s3.ListBucketsInput{}); err == nil {
			return s, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("waiting for %s: %w", filepath.Base(s.cmd.Path), err)
}

func (s *s3Server) url(bucket string) string {
	return "s3://" + s3Key + ":" + s3Secret + "@" + s.endpoint[len("http://"):] + "/" + bucket + "?tls=false"
}

func (s *s3Server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

func (s *s3Server) make(ctx context.Context, bucket string) error {
	_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	return err
}

// fill makes the source's objects, with what belongs to objects.
func (s *s3Server) fill(ctx context.Context, scale float64) error {
	if err := s.make(ctx, "source"); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	put := func(key string, size int, seed uint64) {
		group.Go(func() error {
			contents := make([]byte, size)
			source := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
			_, _ = source.Read(contents)
			_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: aws.String("source"), Key: &key, Body: bytes.NewReader(contents),
				ContentType: aws.String("image/x-bench"), Metadata: map[string]string{"seed": fmt.Sprint(seed)},
			})
			return err
		})
	}
	for i := range int(smallObjects * scale) {
		put(fmt.Sprintf("small/%02x/%06d", i%256, i), smallBytes, uint64(i))
	}
	for i := range int(largeObjects * scale) {
		put(fmt.Sprintf(largePrefix+"%02d", i), largeBytes, uint64(1<<20+i))
	}
	return group.Wait()
}

// remove removes a bucket with its objects.
func (s *s3Server) remove(ctx context.Context, bucket string) error {
	if err := s.empty(ctx, bucket, ""); err != nil {
		return err
	}
	_, err := s.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return err
}

// empty removes the objects below a prefix.
func (s *s3Server) empty(ctx context.Context, bucket, prefix string) error {
	for {
		page, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
		if err != nil || len(page.Contents) == 0 {
			return err
		}
		gone := &types.Delete{Quiet: aws.Bool(true)}
		for _, item := range page.Contents {
			gone.Objects = append(gone.Objects, types.ObjectIdentifier{Key: item.Key})
		}
		if _, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: gone}); err != nil {
			return err
		}
	}
}
