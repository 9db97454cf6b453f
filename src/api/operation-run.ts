/** What operators have done to many sessions at once, in the background: what they may ask for, and how far it is. */

import { z } from "zod";
import { findingKindSchema, mendSchema } from "./finding.ts";
import { jobKindSchema } from "./job.ts";
import { sessionIdSchema, userIdSchema } from "./session.ts";
import { tenantIdSchema } from "./tenant.ts";
import { isoTime } from "./text.ts";

export const OPERATION_NAMES = [
  "summarize",
  "rebuild",
  "retry",
  "erase-user",
  "export-user",
  "expire",
  "reindex",
  "verify",
  "archive",
] as const;
export const operationNameSchema = z.enum(OPERATION_NAMES);
export type OperationName = z.infer<typeof operationNameSchema>;

/** Sessions that one step goes over at most: a step that fails is made again whole. */
export const MAX_SLICE_SIZE = 500;
/** Sessions that a report names of each kind; all of them are counted. */
export const MAX_NAMED_SESSIONS = 100;

const MAX_RUN_ID_LENGTH = 64;
/** What a run that goes on in another instance of the Workflow is called there. */
const PART = "-part-";
/** Names that Workflows keep for itself. */
const RESERVED_ID = /^(batch|terminate|terminateAll|cf_[0-9a-f]{64})$/;

/** The id of a run, and of the Workflow's instance that it begins in: the characters are those that Workflows takes. */
export const runIdSchema = z
  .string()
  .regex(new RegExp(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,${MAX_RUN_ID_LENGTH - 1}}$`), {
    error: `must be 1 to ${MAX_RUN_ID_LENGTH} characters of A-Z a-z 0-9 _ - and not begin with -`,
  })
  .refine((id) => !id.includes(PART) && !RESERVED_ID.test(id), {
    error: `must not contain "${PART}", nor be a word that Workflows keeps for itself`,
  });

export function partIdOf(runId: string, part: number): string {
  return part === 1 ? runId : `${runId}${PART}${part}`;
}

const jobFilterSchema = z.enum([...jobKindSchema.options, "erase-user"]);

const requestShape = {
  op: operationNameSchema.describe("What is done; see docs/operations.md for each"),
  tenant: tenantIdSchema.optional().describe("Of this tenant alone"),
  user: userIdSchema.optional().describe("Of this user of the tenant alone"),
  session: sessionIdSchema.optional().describe("This session alone: the user's, or without a user the tenant's own"),
  kind: jobFilterSchema.optional().describe("`retry`: jobs of this kind alone"),
  dryRun: z.boolean().default(false).describe("Tells what would be done, and does nothing"),
  sliceSize: z
    .int()
    .min(1)
    .max(MAX_SLICE_SIZE)
    .default(MAX_SLICE_SIZE)
    .describe("Sessions that one step goes over: fewer go easier on what stands behind"),
};

type Named = "tenant" | "user" | "session" | "kind";

/** What each has to have named, and what it cannot take. What changes much for good is not done to everybody by a word left out. */
const RULES: Readonly<Record<OperationName, { needs: readonly Named[]; refuses: readonly Named[] }>> = {
  summarize: { needs: [], refuses: ["kind"] },
  rebuild: { needs: ["tenant"], refuses: ["kind"] },
  retry: { needs: [], refuses: [] },
  "erase-user": { needs: ["tenant", "user"], refuses: ["session", "kind"] },
  "export-user": { needs: ["tenant", "user"], refuses: ["session", "kind"] },
  expire: { needs: ["tenant"], refuses: ["kind"] },
  reindex: { needs: [], refuses: ["kind"] },
  verify: { needs: [], refuses: ["kind"] },
  archive: { needs: [], refuses: ["kind"] },
};

interface Asked extends Partial<Readonly<Record<Named, unknown>>> {
  readonly op: OperationName;
}

function checkReach(asked: Asked, context: z.RefinementCtx): void {
  const { op, tenant, user, session } = asked;
  const fault = (path: Named, message: string): void => context.addIssue({ code: "custom", path: [path], message });
  const { needs, refuses } = RULES[op];
  for (const name of needs) if (asked[name] === undefined) fault(name, `is required by ${op}`);
  for (const name of refuses) if (asked[name] !== undefined) fault(name, `is not taken by ${op}`);
  const isWithin = user !== undefined || session !== undefined;
  if (tenant === undefined && isWithin && !needs.includes("tenant")) {
    fault("tenant", `is required to say whose ${user === undefined ? "session" : "user"} is meant`);
  }
}

/** All faults are told at once: where it is known what is meant, so is what it lacks. */
const WHATEVER_ELSE_IS_WRONG = {
  when: ({ value }: { readonly value: unknown }): boolean =>
    operationNameSchema.safeParse(Reflect.get(Object(value), "op")).success,
};

/** What a run is asked to do. */
export const operationRequestSchema = z
  .strictObject(requestShape)
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG)
  .meta({ id: "OperationRequest" });
export type OperationRequest = z.output<typeof operationRequestSchema>;

/** The same over HTTP, where the client may name the run. */
export const newOperationSchema = z
  .strictObject({
    id: runIdSchema.optional().describe("Names the run: sent again with the same id it is not begun twice"),
    ...requestShape,
  })
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG)
  .meta({ id: "NewOperation" });
export type NewOperation = z.output<typeof newOperationSchema>;

/** A session that a report names. */
export const namedSessionSchema = z.object({
  tenant: z.string(),
  user: z.string().nullable().describe("null: a session of the tenant alone"),
  session: z.string().describe("Empty where it is about no session in particular"),
  reason: z.string().describe("A code or a finding, never what was said"),
  kind: findingKindSchema.optional().describe("Of what `verify` finds"),
  mend: mendSchema.optional(),
});
export type NamedSession = z.infer<typeof namedSessionSchema>;

const count = z.int().min(0);

export const operationReportSchema = z
  .object({
    counts: z.record(z.string(), count).describe("What became of how many, by a word for it"),
    failures: z.array(namedSessionSchema).describe(`The first ${MAX_NAMED_SESSIONS} that failed`),
    findings: z.array(namedSessionSchema).describe(`The first ${MAX_NAMED_SESSIONS} that something was found about`),
    notes: z.array(z.string()).describe("What to do next, where there is something to do"),
  })
  .meta({ id: "OperationReport" });
export type OperationReport = z.infer<typeof operationReportSchema>;

export const operationProgressSchema = z.object({
  done: count.describe("Sessions or jobs that were looked at"),
  failed: count.describe("Of these, those that something went wrong with"),
  total: count.nullable().describe("How many there are; null where nobody counted them"),
});
export type OperationProgress = z.infer<typeof operationProgressSchema>;

/** How far a run is, as it travels from one step to the next. */
export const operationStateSchema = z.object({
  /** Where to go on; null at the beginning and at the end. */
  cursor: z.string().nullable(),
  progress: operationProgressSchema,
  report: operationReportSchema,
});
export type OperationState = z.infer<typeof operationStateSchema>;

/** What an instance of the Workflow is given: by an operator, or by the instance whose work it goes on with. */
export const workflowPayloadSchema = z
  .strictObject({
    ...requestShape,
    chain: z.strictObject({ run: runIdSchema, part: z.int().min(2), state: operationStateSchema }).optional(),
  })
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG);
export type WorkflowPayload = z.output<typeof workflowPayloadSchema>;

export const runStatusSchema = z
  .enum(["queued", "running", "complete", "failed", "cancelled"])
  .describe("complete: it went over all there was; single sessions may have failed: see progress and report");
export type RunStatus = z.infer<typeof runStatusSchema>;

/** A run as operators see it. */
export const operationRunSchema = z
  .object({
    id: z.string(),
    op: operationNameSchema,
    tenant: z.string().optional(),
    user: z.string().optional().describe("Left out once the user is erased"),
    session: z.string().optional(),
    kind: z.string().optional(),
    dryRun: z.boolean(),
    instance: z
      .string()
      .optional()
      .describe("The instance of the Workflow that is at it, where that is not the first, which has the run's id"),
    status: runStatusSchema,
    progress: operationProgressSchema,
    report: operationReportSchema,
    error: z.string().nullable().describe("Why it failed, and what to do next"),
    createdAt: isoTime,
    updatedAt: isoTime,
    finishedAt: isoTime.nullable(),
  })
  .meta({ id: "OperationRun" });
export type OperationRun = z.infer<typeof operationRunSchema>;

/** How many runs of an operation stand so, and when the last of them ended. */
export interface RunTally {
  readonly op: OperationName;
  readonly status: RunStatus;
  readonly count: number;
  /** In ms since 1970; null of those that have not ended. */
  readonly lastEndedAt: number | null;
}

export const EMPTY_STATE: OperationState = {
  cursor: null,
  progress: { done: 0, failed: 0, total: null },
  report: { counts: {}, failures: [], findings: [], notes: [] },
};
