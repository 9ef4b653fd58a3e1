package environment

// Points at which the work is under way but not yet written down: where a
// crash hurts most. The steps of a release are points too, by their names in
// its journal ("apply workloads", "prune", …), reached when a step was carried
// out and is not yet noted.
const (
	pointFinalizer = "finalizer"
	pointStores    = "ensure stores"
	pointContents  = "store contents"
	pointRelease   = "create release"
	pointInventory = "record inventory"
	pointFinish    = "finish"
	pointSizes     = "record sizes"
	pointSleep     = "sleep"
	pointWake      = "wake"
	pointHeal      = "heal"
	pointMove      = "move"
	pointHandOver  = "hand over cron jobs"
	pointLeave     = "leave the old cluster"
	pointTeardown  = "teardown"
	pointRemove    = "remove stores"
	pointForget    = "forget releases"
)

// CrashPoints names the points that Options.Reached is told of; a point of a
// stage is that name, a blank and the stage's name.
func CrashPoints() []string {
	return []string{
		pointFinalizer, pointStores, pointContents, pointRelease, pointInventory,
		string(verbClear), string(verbApply), string(verbWait), string(verbSettle), string(verbPrune), string(verbVerify), pointFinish,
		pointSizes, pointSleep, pointWake, pointHeal, pointMove, pointHandOver, pointLeave,
		pointTeardown, pointRemove, pointForget,
	}
}
