import { agentGone } from "./agent-gone.ts";
import type { Drill } from "./drill.ts";
import { failingWrite } from "./failing-write.ts";
import { postgresAway } from "./postgres-away.ts";

/** In the order they are held in. */
export const DRILLS: readonly Drill[] = [postgresAway, agentGone, failingWrite];
