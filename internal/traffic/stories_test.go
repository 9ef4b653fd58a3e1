package traffic

import (
	"errors"
	"time"

	"github.com/landfall-dev/landfall/internal/fault"
)

// told is a story and how it has to end.
type told struct {
	name, about string
	d           Definition
	instances   []string
	before      func(*story)
	long        time.Duration
	turns       []turn
	ends        Phase
}

var three = []string{"haproxy-1", "haproxy-2", "haproxy-3"}

func stories() []told {
	return append(append(storiesOfGuards(), storiesOfPeople()...), storiesOfRouters()...)
}

func with(change func(*Definition)) Definition {
	d := storyShop()
	change(&d)
	return d
}

const sec = time.Second

func storiesOfGuards() []told {
	pauses := with(func(d *Definition) { d.OnFailure = Pause })
	return []told{
		{name: "clean", about: "Nothing goes wrong.", d: storyShop(), long: 120 * sec, ends: Completed},
		{
			name: "guard-fails-at-5", about: "A guard fails at 5 %: the second bad reading returns all traffic.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{{7 * sec, "the new side answers with errors", func(s *story) { s.fails("errors") }}},
		},
		{
			name: "guard-fails-before", about: "A check of the new side fails before anything is raised: nothing is.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{{0, "the new side is broken", func(s *story) { s.fails("checks") }}},
		},
		{
			name: "gate-is-waited-for", about: "A gate fails and is unknown before anything is raised: it is waited for. In mid-shift it is a guard like any other.", long: 120 * sec, ends: Reverted,
			d: with(func(d *Definition) { d.Guards[1].Gate = true }),
			turns: []turn{
				{0, "the sides are not equal", func(s *story) { s.fails("checks") }},
				{10 * sec, "nobody knows", func(s *story) { s.unknown("checks") }},
				{40 * sec, "they are equal", func(s *story) { s.holds("checks") }},
				{60 * sec, "they are not any more", func(s *story) { s.fails("checks") }},
			},
		},
		{
			name: "guard-unknown-then-known", about: "A guard cannot be read for a while: the hold stops, and goes on where it was.", d: storyShop(), long: 120 * sec, ends: Completed,
			turns: []turn{
				{7 * sec, "the metrics cannot be read", func(s *story) { s.unknown("errors") }},
				{20 * sec, "they can again", func(s *story) { s.holds("errors") }},
			},
		},
		{
			name: "guard-unknown-too-long", about: "A guard cannot be read for twenty seconds: that is a failure.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{{7 * sec, "the metrics cannot be read", func(s *story) { s.unknown("errors") }}},
		},
		{
			name: "guard-fails-and-pauses", about: "onFailure: pause. A person looks at it and resumes.", d: pauses, long: 120 * sec, ends: Completed,
			turns: []turn{
				{7 * sec, "the new side answers with errors", func(s *story) { s.fails("errors") }},
				{25 * sec, "a person mends it and resumes", func(s *story) { s.holds("errors"); s.say(SayResume, 0) }},
			},
		},
		{
			name: "guard-fails-while-paused", about: "A person has paused at 5 %: guards still watch.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{
				{7 * sec, "ada says pause", words(SayPause, 0)},
				{15 * sec, "the new side breaks", func(s *story) { s.fails("checks") }},
			},
		},
		{
			name: "clock-jumps", about: "The clock jumps forward by an hour and back by two: no time is counted, no weight raised for it.", d: storyShop(), long: 120 * sec, ends: Completed,
			turns: []turn{
				{6 * sec, "the clock jumps one hour forward", func(s *story) { s.skew = time.Hour }},
				{17 * sec, "the clock jumps two hours back", func(s *story) { s.skew = -time.Hour }},
			},
		},
	}
}

func storiesOfPeople() []told {
	approval := with(func(d *Definition) { d.Steps[0].Approval = true })
	all := []told{
		{
			name: "approval", about: "Step 1 waits for a person. Approvals of other steps are not heard.", d: approval, long: 120 * sec, ends: Completed,
			turns: []turn{
				{16 * sec, "ada approves step 2", words(SayApprove, 1)},
				{26 * sec, "ada approves step 1", words(SayApprove, 0)},
			},
		},
		{
			name: "approval-while-a-guard-fails", about: "An approval does not overrule a guard.", d: approval, long: 120 * sec, ends: Reverted,
			turns: []turn{{14 * sec, "ada approves, and a check fails", func(s *story) { s.fails("checks"); s.say(SayApprove, 0) }}},
		},
		{
			name: "abort-after-completed", about: "Completed is not the end of the way back.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{{45 * sec, "ada aborts", words(SayAbort, 0)}},
		},
		{
			name: "finish", about: "finish is heard when the migration has completed, and lets go of the way back for good.", d: storyShop(), long: 120 * sec, ends: Finished,
			turns: []turn{
				{10 * sec, "ada says finish too early", words(SayFinish, 0)},
				{45 * sec, "ada says finish", words(SayFinish, 0)},
				{50 * sec, "ada aborts too late", words(SayAbort, 0)},
			},
		},
		{
			name: "abort-while-the-old-side-is-unhealthy", about: "The return target is broken: that is said, and traffic returns.", d: storyShop(), long: 120 * sec, ends: Reverted,
			turns: []turn{{8 * sec, "the old side breaks, and ada aborts", func(s *story) {
				s.world.Health[Old] = Health{Known: true, Reason: "0 of 2 servers are up"}
				s.say(SayAbort, 0)
			}}},
		},
	}
	all = append(all, storiesInEveryPhase()...)
	for _, at := range []struct {
		name  string
		after time.Duration
	}{{"preparing", 0}, {"5", 8 * sec}, {"50", 19 * sec}, {"100", 30 * sec}} {
		all = append(all, told{
			name: "restart-at-" + at.name, about: "The process dies, and another takes over half a minute later: what nobody watched does not count.",
			d: storyShop(), long: 120 * sec, ends: Completed,
			turns: []turn{{at.after, "killed, and taken over after 30s", func(s *story) { s.at = s.at.Add(30 * sec); s.restart() }}},
		})
	}
	return all
}

// storiesInEveryPhase pause, resume and abort wherever that can be.
func storiesInEveryPhase() []told {
	phases := []struct {
		name  string
		after time.Duration
	}{{"preparing", 0}, {"shifting", 12 * sec}, {"holding", 16 * sec}, {"approval", 26 * sec}}
	d := with(func(d *Definition) { d.Steps[0].Approval = true })
	slow := func(s *story) { s.takes, s.prepares = 4*sec, 1 }
	var all []told
	for _, phase := range phases {
		all = append(all,
			told{
				name: "pause-in-" + phase.name, about: "A person pauses and resumes.", d: d, before: slow, long: 50 * sec, ends: AwaitingApproval,
				turns: []turn{{phase.after, "ada pauses", words(SayPause, 0)}, {phase.after + 11*sec, "ada resumes", words(SayResume, 0)}},
			},
			told{
				name: "abort-in-" + phase.name, about: "A person aborts.", d: d, before: slow, long: 120 * sec, ends: Reverted,
				turns: []turn{{phase.after, "ada aborts", words(SayAbort, 0)}},
			})
	}
	return append(all, told{
		name: "abort-in-paused", about: "A person pauses, then aborts.", d: storyShop(), long: 120 * sec, ends: Reverted,
		turns: []turn{{8 * sec, "ada pauses", words(SayPause, 0)}, {14 * sec, "ada aborts", words(SayAbort, 0)}},
	})
}

func storiesOfRouters() []told {
	pauses := with(func(d *Definition) { d.OnForeignChange = PauseThere })
	deadMan := with(func(d *Definition) { d.DeadMan = 30 * sec })
	foreign := func(w Weight) func(*story) { return func(s *story) { s.instances[0].weight = w } }
	stuck := func(is bool) func(*story) { return func(s *story) { s.instances[2].stuck = is } }
	down := func(is bool) func(*story) { return func(s *story) { s.instances[2].down = is } }
	return []told{
		{
			name: "drift-restored", about: "Somebody raises the weight by hand, then lowers it: it is put back. Down at once, up under guards; the hold begins again.", d: storyShop(), long: 120 * sec, ends: Completed,
			turns: []turn{{8 * sec, "somebody sets 80 %", foreign(80)}, {13 * sec, "somebody sets 1 %", foreign(1)}},
		},
		{
			name: "drift-pauses", about: "onForeignChange: pause. The found weight stays until a person resumes.", d: pauses, long: 120 * sec, ends: Completed,
			turns: []turn{{8 * sec, "somebody sets 80 %", foreign(80)}, {17 * sec, "ada resumes", words(SayResume, 0)}},
		},
		{
			name: "drift-before-the-beginning", about: "The new side has traffic before the migration begins: nobody knows why, so a person is asked whatever the definition says.",
			d: storyShop(), before: func(s *story) { s.instances[0].weight = 30 }, long: 120 * sec, ends: Completed,
			turns: []turn{{7 * sec, "ada resumes", words(SayResume, 0)}},
		},
		{
			name: "drift-after-completed", about: "After completion a weight that was lost is put back, too.", d: storyShop(), long: 120 * sec, ends: Completed,
			turns: []turn{{45 * sec, "a reload loses the weights", foreign(0)}},
		},
		{
			name: "one-instance-unreachable-while-raising", about: "One of three instances cannot be written: the raise is finished when it is back.", d: storyShop(), instances: three, long: 120 * sec, ends: Completed,
			turns: []turn{{10 * sec, "haproxy-3 can be read but not written", stuck(true)}, {22 * sec, "it can be written", stuck(false)}},
		},
		{
			name: "one-instance-unreachable-for-long", about: "One of three instances stays away: not knowing is a failure in the end, and the return is written until it is back.", d: storyShop(), instances: three, long: 120 * sec, ends: Reverted,
			turns: []turn{{10 * sec, "haproxy-3 is gone", down(true)}, {31 * sec, "haproxy-3 is back", down(false)}},
		},
		{
			name: "one-instance-unreachable-while-reverting", about: "One of three instances cannot be written while all must return: the others return at once, and it is tried again and again.", d: storyShop(), instances: three, long: 120 * sec, ends: Reverted,
			turns: []turn{
				{8 * sec, "haproxy-3 is gone, and ada aborts", func(s *story) { down(true)(s); s.say(SayAbort, 0) }},
				{10600 * time.Millisecond, "haproxy-3 is back", down(false)},
			},
		},
		{
			name: "one-instance-gone-for-good", about: "One of three instances never comes back: a person ends the return without it, once the others have returned.", d: storyShop(), instances: three, long: 120 * sec, ends: Reverted,
			turns: []turn{
				{8 * sec, "haproxy-3 is gone, haproxy-2 refuses writes, and ada aborts", func(s *story) {
					down(true)(s)
					s.instances[1].stuck = true
					s.say(SayAbort, 0)
				}},
				{11 * sec, "ada says finish", words(SayFinish, 0)},
				{12 * sec, "haproxy-2 can be written", func(s *story) { s.instances[1].stuck = false }},
				{13 * sec, "ada says finish", words(SayFinish, 0)},
			},
		},
		{
			name: "time-to-live", about: "A DNS router: preparing waits for an old time to live, each step until resolvers have forgotten the one before.", d: storyShop(), long: 120 * sec, ends: Completed,
			before: func(s *story) { s.prepares, s.takes, s.world.Router.Residual = 1, 3*sec, 10*sec },
		},
		{
			name: "sessions", about: "Sticky sessions outlast an abort until they are cut.", d: with(func(d *Definition) { d.ResidualFor = 8 * sec }), long: 120 * sec, ends: Reverted,
			before: func(s *story) { s.world.Drains = true },
			turns:  []turn{{8 * sec, "12 sessions stick to the new side, and ada aborts", func(s *story) { s.instances[0].residual = 12; s.say(SayAbort, 0) }}},
		},
		{
			name: "dead-man", about: "The watchdog returned the traffic while Landfall was away: that ends the migration.", d: deadMan, long: 120 * sec, ends: Reverted,
			before: func(s *story) { s.world.Armed = true },
			turns: []turn{{8 * sec, "Landfall is away for a minute, and the watchdog acts", func(s *story) {
				s.at = s.at.Add(time.Minute)
				s.instances[0].weight, s.instances[0].deadMan = 0, "the watchdog returned traffic at 20:00:38, after 30 s of silence"
				s.restart()
				s.world.Armed = true
			}}},
		},
		{
			name: "dead-man-not-armed", about: "A dead man that cannot be told that Landfall is alive keeps weights from being raised.", d: deadMan, long: 20 * sec, ends: Shifting,
			before: func(s *story) { s.world.ArmErr = errors.New("watchdog: connection refused") },
		},
		{
			name: "new-side-unhealthy", about: "The router says that the new side is down: no weight is raised.", d: storyShop(), long: 20 * sec, ends: Holding,
			before: func(s *story) {
				s.world.Health[New] = Health{Known: true, Reason: "0 of 3 targets are healthy"}
			},
			turns: []turn{{11 * sec, "it is healthy", func(s *story) { s.world.Health[New] = Health{Known: true, Healthy: true} }}},
		},
		{
			name: "preparation-refused", about: "The router cannot be prepared: a person is told, mends it and resumes.", d: storyShop(), long: 120 * sec, ends: Completed,
			before: func(s *story) {
				s.world.PrepareErr = fault.New(fault.Refused, "", "the record belongs to migration other")
				s.world.Refused = true
			},
			turns: []turn{{11 * sec, "ada removes it and resumes", func(s *story) {
				s.world.PrepareErr, s.world.Refused = nil, false
				s.say(SayResume, 0)
			}}},
		},
	}
}
