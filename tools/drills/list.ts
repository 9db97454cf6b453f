import { agentGone } from "./agent-gone.ts";
import type { Drill } from "./drill.ts";
import { failingWrite } from "./failing-write.ts";
import { poisonJob } from "./poison-job.ts";
import { postgresAway } from "./postgres-away.ts";
import { queuePaused } from "./queue-paused.ts";
import { twoVersions } from "./two-versions.ts";
import { workflowRestart } from "./workflow-restart.ts";

/** In the order in which they run. */
export const DRILLS: readonly Drill[] = [
  postgresAway,
  agentGone,
  failingWrite,
  workflowRestart,
  poisonJob,
  twoVersions,
  queuePaused,
];
