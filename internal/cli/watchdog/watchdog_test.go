package watchdog

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/landfall-dev/landfall/internal/cli/command"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/servertest"
	"github.com/landfall-dev/landfall/internal/traffic"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy"
	"github.com/landfall-dev/landfall/internal/traffic/haproxy/haproxytest"
	"github.com/landfall-dev/landfall/internal/traffic/traffictest"
)

// asCommand makes this test binary the command itself, so that it can be killed.
const asCommand = "LANDFALL_TEST_WATCHDOG"

func TestMain(m *testing.M) {
	if args := os.Getenv(asCommand); args != "" {
		c := command.System()
		cmd := New(c)
		cmd.SetArgs(strings.Split(args, " "))
		os.Exit(fault.ExitCode(cmd.ExecuteContext(context.Background())))
	}
	os.Exit(m.Run())
}

// scene is a HAProxy that serves two sides, and what a watchdog beside it needs.
type scene struct {
	t       *testing.T
	proxy   *haproxytest.Proxy
	address string
	args    string
}

const token = "0123456789abcdef0123456789abcdef"

func newScene(t *testing.T) *scene {
	t.Helper()
	haproxytest.Program(t)
	layout := haproxy.Layout{
		Backend: "shop",
		Old:     []haproxy.Address{{Name: "web1", Address: haproxytest.NewServer(t, traffic.Old).Address}},
		New:     []haproxy.Address{{Name: "k8s1", Address: haproxytest.NewServer(t, traffic.New).Address}},
	}
	text, err := layout.Render()
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, address: servertest.FreeAddress(t), proxy: haproxytest.Start(t, haproxytest.Options{Backends: text, StateFile: true})}
	tokenFile := filepath.Join(s.proxy.Dir, "token")
	if err := os.WriteFile(tokenFile, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = fmt.Sprintf("--haproxy %s --listen %s --token-file %s --state %s --server-state %s",
		s.proxy.Socket, s.address, tokenFile, filepath.Join(s.proxy.Dir, "watchdog.json"), filepath.Join(s.proxy.Dir, "state"))
	return s
}

// start runs the watchdog as a process and waits until it answers.
func (s *scene) start() *servertest.Server {
	s.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asCommand+"="+s.args)
	return servertest.Run(s.t, cmd, servertest.Answers("http://"+s.address+"/healthz"))
}

func (s *scene) router(instance string) *haproxy.Router {
	s.t.Helper()
	router, err := haproxy.New(haproxy.Config{Instances: []string{instance}, Backend: "shop", Old: []string{"web1"}, New: []string{"k8s1"}, Owner: "default/shop", Token: token})
	if err != nil {
		s.t.Fatal(err)
	}
	return router
}

// weights asks HAProxy itself.
func (s *scene) weights() traffic.Instance {
	s.t.Helper()
	state, err := s.router(s.proxy.Socket.String()).Read(s.t.Context())
	if err != nil || state.Instances[0].Err != nil {
		s.t.Fatalf("%+v, %v", state, err)
	}
	return state.Instances[0]
}

// TestLandfallThatDiesLosesItsTraffic: nobody arms any more, which is what
// kill -9 of every Landfall looks like from here. The watchdog is killed, too,
// and starts after a while.
func TestLandfallThatDiesLosesItsTraffic(t *testing.T) {
	for name, killed := range map[string]bool{"watchdog lives": false, "watchdog killed": true} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			dog := s.start()
			router, fence := s.router("http://"+s.address), &traffictest.Fence{Number: 1}
			load := (&haproxytest.Client{URL: s.proxy.URL}).Load(100)
			if err := router.Write(t.Context(), 40, fence); err != nil {
				t.Fatal(err)
			}
			const silence = 2 * time.Second
			if err := router.Arm(t.Context(), silence, fence); err != nil {
				t.Fatal(err)
			}
			armed := time.Now()
			if killed {
				dog.Kill()
				time.Sleep(silence / 4)
				s.start()
			}
			for !s.weights().At(traffic.None) {
				if time.Since(armed) > silence+3*time.Second {
					t.Fatalf("traffic does not return: %+v", s.weights())
				}
				time.Sleep(10 * time.Millisecond)
			}
			took := time.Since(armed)
			if took < silence || took > silence+time.Second {
				t.Errorf("traffic returned after %s of silence, armed with %s", took, silence)
			}
			if _, failures := load(); len(failures) > 0 {
				t.Errorf("%d requests lost, the first: %v", len(failures), failures[0])
			}
			state, err := router.Read(t.Context())
			if err != nil || state.Instances[0].DeadMan == "" {
				t.Errorf("nothing tells why: %+v, %v", state, err)
			}
		})
	}
}

func TestUsage(t *testing.T) {
	short := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(short, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(long, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args  []string
		says  string
		class fault.Class
	}{
		"no token":           {[]string{"--token-file", "/nowhere"}, "no such file", fault.Invalid},
		"weak token":         {[]string{"--token-file", short}, "16 or more characters", fault.Invalid},
		"open to the world":  {[]string{"--token-file", long, "--listen", ":9188"}, "could be read on the way", fault.Refused},
		"half a certificate": {[]string{"--token-file", long, "--tls-cert", "x"}, "half of it is missing", fault.Invalid},
		"not an address":     {[]string{"--token-file", long, "--haproxy", "/run/haproxy.sock"}, "neither unix:///path", fault.Invalid},
		"hostile address":    {[]string{"snippet", "--backend", "shop", "--old", "a=1.1.1.1:80", "--new", "b=1.1.1.1:80 weight 100"}, "cannot be at", fault.Invalid},
		"hostile check":      {[]string{"snippet", "--backend", "shop", "--old", "a=1.1.1.1:80", "--new", "b=1.1.1.1:80", "--check", "/x\n  server evil"}, "cannot be asked for", fault.Invalid},
		"half the addresses": {[]string{"snippet", "--backend", "shop", "--old", "a=1.1.1.1:80", "--new", "b"}, "only some servers", fault.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd := New(&command.Context{Out: &bytes.Buffer{}, Err: &bytes.Buffer{}})
			cmd.SetArgs(tt.args)
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			err := cmd.ExecuteContext(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.says) || fault.ClassOf(err) != tt.class || fault.HintOf(err) == "" {
				t.Errorf("%v (class %s, hint %q)", err, fault.ClassOf(err), fault.HintOf(err))
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Error("the token is in the error")
			}
		})
	}
}
