package redis_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/landfall-dev/landfall/internal/datacopy"
	"github.com/landfall-dev/landfall/internal/datacopy/redis"
	"github.com/landfall-dev/landfall/internal/datacopy/storetest"
	"github.com/landfall-dev/landfall/internal/fault"
	"github.com/landfall-dev/landfall/internal/progress"
)

// debugging lets a test ask for the digest of all that a server has.
var debugging = []string{"--enable-debug-command", "yes"}

func digest(t *testing.T, client goredis.UniversalClient) string {
	t.Helper()
	sum, err := client.Do(t.Context(), "DEBUG", "DIGEST").Text()
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func must(t *testing.T, client goredis.UniversalClient, args ...any) {
	t.Helper()
	if err := client.Do(t.Context(), args...).Err(); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

// TestTargetsThatTakeNoMore ends copies in the middle. The error says what to do
// about it, the target is marked, the source as before; and when that is done the
// copy goes on.
func TestTargetsThatTakeNoMore(t *testing.T) {
	source := startRedis(t, debugging...)
	fill(t, open(t, source), "")
	before := digest(t, open(t, source))
	full := storetest.Redis(t, "--save", "3600 1000000")
	tests := []struct {
		name       string
		target     *storetest.Server
		stop, mend func(*testing.T, goredis.UniversalClient)
		says, hint string
	}{
		{
			"no memory", storetest.Redis(t),
			func(t *testing.T, target goredis.UniversalClient) {
				must(t, target, "CONFIG", "SET", "maxmemory", "3mb")
			},
			func(t *testing.T, target goredis.UniversalClient) { must(t, target, "CONFIG", "SET", "maxmemory", "0") },
			"OOM command not allowed", "Give the target more memory",
		},
		{
			"a full disk", full,
			func(t *testing.T, target goredis.UniversalClient) {
				if err := os.Mkdir(filepath.Join(full.Dir, "dump.rdb"), 0o755); err != nil {
					t.Fatal(err)
				}
				must(t, target, "BGSAVE")
				eventually(t, "saving fails", func() bool {
					return strings.Contains(target.Info(t.Context(), "persistence").Val(), "rdb_last_bgsave_status:err")
				})
			},
			func(t *testing.T, target goredis.UniversalClient) { must(t, target, "CONFIG", "SET", "save", "") },
			"MISCONF", "Make room on the server's disk",
		},
		{
			"a replica", storetest.Redis(t),
			func(t *testing.T, target goredis.UniversalClient) { must(t, target, "REPLICAOF", "127.0.0.1", "1") },
			func(t *testing.T, target goredis.UniversalClient) { must(t, target, "REPLICAOF", "NO", "ONE") },
			"READONLY", "Name the master",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := datacopy.Request{From: source, To: address(t, tt.target.URL)}
			target, journal := open(t, req.To), &datacopy.MemoryJournal{}
			plan, err := redis.New().Plan(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if err := journal.Begin(plan); err != nil {
				t.Fatal(err)
			}
			tt.stop(t, target)
			_, err = redis.New().Copy(t.Context(), req, plan, journal, progress.Discard)
			wantFailure(t, err, tt.says, tt.hint)
			if strings.Contains(fmt.Sprint(err), storetest.Secret) {
				t.Errorf("the error shows the password: %v", err)
			}
			tt.mend(t, target)
			again, err := redis.New().Plan(t.Context(), req)
			if err != nil || len(again.Overwrites) > 0 {
				t.Errorf("what the copy left counts as somebody else's: %+v, %v", again.Overwrites, err)
			}
			run(t, req, journal)
			if after := digest(t, open(t, source)); after != before {
				t.Error("the source has changed")
			}
		})
	}
}

func wantFailure(t *testing.T, err error, says, hint string) {
	t.Helper()
	if fault.ClassOf(err) != fault.Failed || !strings.Contains(fmt.Sprint(err), says) || !strings.Contains(fault.HintOf(err), hint) {
		t.Errorf("the error is %v, its hint %q; want %q with the hint %q", err, fault.HintOf(err), says, hint)
	}
}

// TestUsersThatMayNot lack a right on either side: the error names it.
func TestUsersThatMayNot(t *testing.T) {
	from, to := startRedis(t), startRedis(t)
	fill(t, open(t, from), "")
	as := func(a datacopy.Address, user string, rules ...any) datacopy.Address {
		must(t, open(t, a), append([]any{"ACL", "SETUSER", user, "on", ">password", "+@all"}, rules...)...)
		return address(t, "redis://"+user+":password@"+a.Host())
	}
	const right = "Take a user that may use the named command and keys."
	tests := []struct {
		name       string
		from, to   datacopy.Address
		says, hint string
	}{
		{"may not list", as(from, "unlisting", "~*", "-scan"), to, "'scan' command", right},
		{"may not read all keys", as(from, "some", "~user:*", "~landfall:*"), to, "permissions to access", right},
		{"may not write", from, as(to, "reader", "~*", "-restore"), "'restore' command", right},
		{"may not ask", from, as(to, "mute", "~*", "-info"), "'info' command", right},
		{"is not known", address(t, "redis://nobody:password@"+from.Host()), to, "WRONGPASS", "Check user and password"},
		{"is nobody", address(t, "redis://"+from.Host()), to, "NOAUTH", "Check user and password"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := datacopy.Request{From: tt.from, To: tt.to, Replace: true}
			_, err := datacopy.Run(t.Context(), redis.New(), req, &datacopy.MemoryJournal{}, progress.Discard)
			wantFailure(t, err, tt.says, tt.hint)
		})
	}
}

// TestServersThatAreBusyForAWhile answer with an error that passes, in the
// middle of a copy; or with a part of a reply, and nothing more.
func TestServersThatAreBusyForAWhile(t *testing.T) {
	source := startRedis(t, ready...)
	fill(t, open(t, source), "")
	says := func(text string) change {
		return func([]byte) ([]byte, bool) { return []byte("-" + text + "\r\n"), false }
	}
	half := func(reply []byte) ([]byte, bool) { return reply[:len(reply)/2], false }
	tests := []struct {
		name, side, way string
		fault           change
	}{
		{"loading", "source", "scan", says("LOADING Redis is loading the dataset in memory")},
		{"without its master", "source", "scan", says("MASTERDOWN Link with MASTER is down")},
		{"busy", "target", "scan", says("BUSY Redis is busy running a script")},
		{"loading", "target", "replication", says("LOADING Redis is loading the dataset in memory")},
		{"half a reply", "source", "scan", half},
		{"half a reply", "target", "scan", half},
		{"half a reply", "target", "replication", half},
		{"a byte", "source", "scan", func(reply []byte) ([]byte, bool) { return reply[:1], false }},
	}
	for _, tt := range tests {
		t.Run(tt.side+": "+tt.name+", by "+tt.way, func(t *testing.T) {
			req := datacopy.Request{From: source, To: startRedis(t), Options: map[string]string{"read-by": tt.way}}
			relayed := map[string]*datacopy.Address{"source": &req.From, "target": &req.To}[tt.side]
			var did atomic.Bool
			*relayed = relayOnce(t, *relayed, &did, tt.fault)
			outcome := run(t, req, &datacopy.MemoryJournal{})
			if !did.Load() || outcome.Result.Retries == 0 {
				t.Errorf("the fault came: %t; %d retries", did.Load(), outcome.Result.Retries)
			}
		})
	}
}

// TestServersThatStandStill are stopped for a moment, one after the other.
func TestServersThatStandStill(t *testing.T) {
	from, to := storetest.Redis(t), storetest.Redis(t)
	req := datacopy.Request{From: address(t, from.URL), To: address(t, to.URL)}
	fill(t, open(t, req.From), "")
	stand := storetest.During(func() {
		for _, server := range []*storetest.Server{from, to} {
			server.Signal(syscall.SIGSTOP)
			time.AfterFunc(300*time.Millisecond, func() { server.Signal(syscall.SIGCONT) })
		}
	})
	if _, err := datacopy.Run(t.Context(), redis.New(), req, &datacopy.MemoryJournal{}, stand); err != nil {
		t.Error(err)
	}
}

// TestASourceThatCannotSave writes snapshots to its disk, which is full: its keys
// are listed.
func TestASourceThatCannotSave(t *testing.T) {
	server := storetest.Redis(t, append([]string{"--repl-diskless-sync", "no"}, debugging...)...)
	req := datacopy.Request{From: address(t, server.URL), To: startRedis(t), Options: bySnapshot}
	fill(t, open(t, req.From), "")
	before := digest(t, open(t, req.From))
	if err := os.Mkdir(filepath.Join(server.Dir, "dump.rdb"), 0o755); err != nil {
		t.Fatal(err)
	}
	outcome := run(t, req, &datacopy.MemoryJournal{})
	if how := outcome.Plan.Units[0].How; !strings.Contains(how, "would write a snapshot to its disk") {
		t.Errorf("the plan says %q", how)
	}
	if after := digest(t, open(t, req.From)); after != before {
		t.Error("the source has changed")
	}
}

// TestSlotsThatMove move while a copy is under way: in the target keys follow; of
// the source nobody knows whether some were missed.
func TestSlotsThatMove(t *testing.T) {
	for _, side := range []string{"source", "target"} {
		t.Run(side, func(t *testing.T) {
			req := datacopy.Request{From: startRedis(t), To: startRedis(t), MaxBytesPerSecond: 4 << 20}
			moving := map[string]*datacopy.Address{"source": &req.From, "target": &req.To}[side]
			*moving = startCluster(t)
			fill(t, open(t, req.From), "")
			moved := storetest.During(func() { moveSlots(t, *moving) })
			outcome, err := datacopy.Run(t.Context(), redis.New(), req, &datacopy.MemoryJournal{}, moved)
			switch {
			case side == "source":
				wantFailure(t, err, "slots moved between its nodes meanwhile", "Wait until the cluster has settled")
			case err != nil:
				t.Error(err)
			case outcome.Result.Retries == 0:
				t.Error("no key came too late for its node")
			}
		})
	}
}

// moveSlots gives slots of the first node that have no keys to the second.
func moveSlots(t *testing.T, cluster datacopy.Address) {
	clients := make([]*goredis.Client, 2)
	slots, err := open(t, cluster).ClusterSlots(t.Context()).Result()
	if err != nil || len(slots) < len(clients) {
		t.Errorf("%d ranges of slots, %v", len(slots), err)
		return
	}
	for i := range clients {
		clients[i] = goredis.NewClient(&goredis.Options{Addr: slots[i].Nodes[0].Addr, Password: cluster.Password()})
		defer clients[i].Close()
	}
	moved := 0
	for slot := slots[0].Start; slot <= slots[0].End && moved < 1000; slot++ {
		// A node does not let go of a slot that has keys.
		if clients[0].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE", slots[1].Nodes[0].ID).Err() != nil {
			continue
		}
		if err := clients[1].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE", slots[1].Nodes[0].ID).Err(); err != nil {
			t.Errorf("moving slot %d: %v", slot, err)
		}
		moved++
	}
	if moved == 0 {
		t.Error("no slot moved")
	}
}
