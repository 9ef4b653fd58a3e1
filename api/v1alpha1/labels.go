package v1alpha1

// FieldManager is the name under which Landfall owns fields by server-side
// apply.
const FieldManager = "landfall"

// Labels on the objects of an environment. The inventory in the Environment's
// status, not a label, decides what Landfall may delete: labels get copied.
const (
	// LabelManagedBy is the ecosystem's label; its value is FieldManager.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// LabelComponent names the blueprint's component. It is a label of our own:
	// charts use app.kubernetes.io/component for their own parts, and other
	// objects select on it.
	LabelComponent = "landfall.dev/component"
	// LabelEnvironment names the environment.
	LabelEnvironment = "landfall.dev/environment"
	// LabelDataCopy names the DataCopy that an object works for.
	LabelDataCopy = "landfall.dev/data-copy"
	// LabelCluster names the Cluster that a Job works on.
	LabelCluster = "landfall.dev/cluster"
	// LabelProject names the project namespace that holds the Environment.
	LabelProject = "landfall.dev/project"
)

// Annotations.
const (
	// AnnotationAuthor on an Environment says who asked for its newest change;
	// it is copied into the Release. Absent means unknown.
	AnnotationAuthor = "landfall.dev/author"
	// AnnotationMessage on an Environment says why, in the author's words.
	AnnotationMessage = "landfall.dev/message"
	// AnnotationHealRequested asks once for drift to be put back. Its value is
	// any text that differs from status.healedRequest, by habit a timestamp.
	AnnotationHealRequested = "landfall.dev/heal-requested"
	// AnnotationRedeployRequested asks once for a new release although nothing
	// in the inputs changed, for example to retry a failed deploy. Its value is
	// any text that differs from status.redeployedRequest.
	AnnotationRedeployRequested = "landfall.dev/redeploy-requested"
	// AnnotationResumeRequested asks a DataCopy that has failed to go on once more.
	// Its value is any text that differs from status.resumedRequest.
	AnnotationResumeRequested = "landfall.dev/resume-requested"
	// AnnotationCutoverRequested tells a DataCopy that follows its source to drain,
	// verify and end. Its value is any text, by habit a timestamp.
	AnnotationCutoverRequested = "landfall.dev/cutover-requested"
	// AnnotationPruneApproved allows the release whose inputs hash is its value
	// to delete more than the cap on one step's deletions.
	AnnotationPruneApproved = "landfall.dev/prune-approved"
	// AnnotationAbandon ("true") lets an environment be deleted while its
	// cluster cannot be reached: what is left there stays there.
	AnnotationAbandon = "landfall.dev/abandon"
	// AnnotationFinishRequested asks once for what an environment that moved has
	// left behind to be removed. Its value is status.left.movedAt, so that it is
	// never taken for a later move.
	AnnotationFinishRequested = "landfall.dev/finish-requested"
	// AnnotationFinishForced, of the same value, finishes although the cluster that
	// was left cannot be reached: what is there stays there.
	AnnotationFinishForced = "landfall.dev/finish-forced"
	// AnnotationOwner on a namespace names its Environment as
	// "PROJECT/NAME/UID". It is what makes a namespace ours.
	AnnotationOwner = "landfall.dev/owner"
	// AnnotationCopyOf on a Secret of an environment names the Secret of the
	// project, as "PROJECT/NAME", whose values it has at any time.
	AnnotationCopyOf = "landfall.dev/copy-of"
)

// SecretLogs is the Secret in each project's namespace whose key KeyToken
// admits to the gathered logs of the project's environments, also of those
// that are gone: whoever may read the project's Secrets may read its logs.
const (
	SecretLogs = "landfall-logs"
	KeyToken   = "token"
)

// Finalizer keeps an Environment until its objects are gone from its cluster.
const Finalizer = "landfall.dev/environment"

// FinalizerMigration keeps a Migration until traffic is where it belongs.
const FinalizerMigration = "landfall.dev/migration"

// IngressClass is the class of the local front door.
const IngressClass = "landfall"

// Condition types. Ready, Reconciling and Stalled follow kstatus: Reconciling
// is work under way, Stalled is stuck until somebody edits something.
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
	// ConditionExpiring is True from a while before the environment's expiry.
	ConditionExpiring = "Expiring"
	// ConditionDrifted is True, False or Unknown, as status.drift says.
	ConditionDrifted = "Drifted"
	// ConditionMoving is True while an environment has another side on the cluster
	// that it left.
	ConditionMoving = "Moving"
	// ConditionHostnames is True while the environment's hostnames are in DNS as
	// its cluster says; absent where Landfall does not keep them.
	ConditionHostnames = "Hostnames"
	// ConditionReachable on a Cluster is True while its API server answers.
	ConditionReachable = "Reachable"
)

// Condition reasons.
const (
	ReasonReleased           = "Released"
	ReasonDeploying          = "Deploying"
	ReasonDeployFailed       = "DeployFailed"
	ReasonRollingBack        = "RollingBack"
	ReasonAsleep             = "Asleep"
	ReasonFallingAsleep      = "FallingAsleep"
	ReasonWaking             = "Waking"
	ReasonDegraded           = "Degraded"
	ReasonBlueprintNotFound  = "BlueprintNotFound"
	ReasonInvalid            = "Invalid"
	ReasonVersionNotResolved = "VersionNotResolved"
	ReasonStoreNotReady      = "StoreNotReady"
	ReasonPullSecretNotReady = "PullSecretNotReady"
	ReasonClusterNotFound    = "ClusterNotFound"
	ReasonClusterUnreachable = "ClusterUnreachable"
	ReasonNotOwned           = "NotOwned"
	ReasonPruneRefused       = "PruneRefused"
	ReasonReleaseNotFound    = "ReleaseNotFound"
	ReasonDeleting           = "Deleting"
	ReasonDeletionBlocked    = "DeletionBlocked"
	ReasonClean              = "Clean"
	ReasonDrifted            = "Drifted"
	ReasonDriftUnknown       = "DriftUnknown"
	ReasonExpiresSoon        = "ExpiresSoon"
	ReasonNotExpiring        = "NotExpiring"
	ReasonReachable          = "Reachable"
	ReasonMoving             = "Moving"
	ReasonMoved              = "Moved"
	ReasonMoveRefused        = "MoveRefused"
	ReasonFinishing          = "Finishing"
	ReasonFinishBlocked      = "FinishBlocked"
	ReasonSeeding            = "Seeding"
	ReasonSeedFailed         = "SeedFailed"
	ReasonCopying            = "Copying"
	ReasonCopied             = "Copied"
	ReasonCopyFailed         = "CopyFailed"
	ReasonDifferent          = "Different"
	ReasonRefused            = "Refused"
	ReasonHostnamesRecorded  = "Recorded"
	ReasonHostnameRefused    = "HostnameRefused"
	ReasonHostnamesUnknown   = "ZoneUnknown"

	// Of Migrations; their phases are reasons, too.
	ReasonConflict  = "Conflict"
	ReasonCannotRun = "CannotRun"
)
