/**
 * Operations: bulk runs over many sessions that an administrator starts. What a run can be asked to do, and how far it
 * is.
 */

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
const operationNameSchema = z.enum(OPERATION_NAMES);
export type OperationName = z.infer<typeof operationNameSchema>;

/** The most sessions that one step of a run handles. A step that fails is repeated as a whole. */
export const MAX_SLICE_SIZE = 500;
/** How many sessions a report lists in each list. `counts` includes all of them. */
export const MAX_NAMED_SESSIONS = 100;

const MAX_RUN_ID_LENGTH = 64;
/** A long run continues in further instances of the Workflow. Their ids are the run's id, this text and a number. */
const PART = "-part-";
/** Ids that Cloudflare Workflows reserves. */
const RESERVED_ID = /^(batch|terminate|terminateAll|cf_[0-9a-f]{64})$/;

/** The id of a run, and of the Workflow instance in which it begins. It has the characters that Workflows accepts. */
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
  op: operationNameSchema.describe("The operation to run; docs/operations.md describes each"),
  tenant: tenantIdSchema.optional().describe("Only this tenant"),
  user: userIdSchema.optional().describe("Only this user of the tenant"),
  session: sessionIdSchema
    .optional()
    .describe("Only this session: of the user, or, without a user, of the tenant itself"),
  kind: jobFilterSchema.optional().describe("With `retry`: only jobs of this kind"),
  dryRun: z.boolean().default(false).describe("Report what would be done, without doing it"),
  sliceSize: z
    .int()
    .min(1)
    .max(MAX_SLICE_SIZE)
    .default(MAX_SLICE_SIZE)
    .describe("How many sessions one step handles. Fewer put less load on the database and the models"),
};

type Named = "tenant" | "user" | "session" | "kind";

/**
 * Which fields each operation requires, and which it does not accept. Operations that change much irreversibly require
 * a tenant, so that a forgotten field does not apply them to everybody.
 */
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

/**
 * By default Zod skips `superRefine` if the object has other faults. This runs it whenever `op` is valid, so that all
 * faults are reported at once.
 */
const WHATEVER_ELSE_IS_WRONG = {
  when: ({ value }: { readonly value: unknown }): boolean =>
    operationNameSchema.safeParse(Reflect.get(Object(value), "op")).success,
};

/**
 * What a run is asked to do.
 * @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have.
 */
export const operationRequestSchema = z
  .strictObject(requestShape)
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG)
  .meta({ id: "OperationRequest" });
export type OperationRequest = z.output<typeof operationRequestSchema>;

/** The body of the HTTP request that starts a run. The client may choose the run's id. */
export const newOperationSchema = z
  .strictObject({
    id: runIdSchema
      .optional()
      .describe("The id of the run. If it is sent again with the same id, the run is not started twice"),
    ...requestShape,
  })
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG)
  .meta({ id: "NewOperation" });
export type NewOperation = z.output<typeof newOperationSchema>;

/** A session in a report. */
const namedSessionSchema = z.object({
  tenant: z.string(),
  user: z.string().nullable().describe("null: a session of the tenant itself"),
  session: z.string().describe("Empty if it is about no particular session"),
  reason: z.string().describe("A code or a finding, never text of a chat"),
  kind: findingKindSchema.optional().describe("The kind of the finding, if it is one of `verify`"),
  mend: mendSchema.optional(),
});
export type NamedSession = z.infer<typeof namedSessionSchema>;

const count = z.int().min(0);

const operationReportSchema = z
  .object({
    counts: z
      .record(z.string(), count)
      .describe("How many sessions or jobs had each result, by the name of the result"),
    failures: z.array(namedSessionSchema).describe(`The first ${MAX_NAMED_SESSIONS} that failed`),
    findings: z.array(namedSessionSchema).describe(`The first ${MAX_NAMED_SESSIONS} with a finding`),
    notes: z.array(z.string()).describe("What to do next, if there is something to do"),
  })
  .meta({ id: "OperationReport" });
export type OperationReport = z.infer<typeof operationReportSchema>;

const operationProgressSchema = z.object({
  done: count.describe("Sessions or jobs that were handled"),
  failed: count.describe("How many of these failed"),
  total: count.nullable().describe("How many there are; null if they were not counted"),
});
export type OperationProgress = z.infer<typeof operationProgressSchema>;

/** How far a run is. It is passed from one step to the next. */
const operationStateSchema = z.object({
  /** Where the next step continues; null at the beginning and at the end. */
  cursor: z.string().nullable(),
  progress: operationProgressSchema,
  report: operationReportSchema,
});
export type OperationState = z.infer<typeof operationStateSchema>;

/**
 * The payload of a Workflow instance: from an operator, or, with `chain`, from the instance whose run it continues.
 */
export const workflowPayloadSchema = z
  .strictObject({
    ...requestShape,
    chain: z.strictObject({ run: runIdSchema, part: z.int().min(2), state: operationStateSchema }).optional(),
  })
  .superRefine(checkReach, WHATEVER_ELSE_IS_WRONG);
export type WorkflowPayload = z.output<typeof workflowPayloadSchema>;

const runStatusSchema = z
  .enum(["queued", "running", "complete", "failed", "cancelled"])
  .describe("complete: all sessions were handled, though single ones may have failed: see progress and report");
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
      .describe("The Workflow instance that works on the run, if it is not the first one, whose id is the run's id"),
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

/** How many runs of an operation have a status, and when the last of them ended. */
export interface RunTally {
  readonly op: OperationName;
  readonly status: RunStatus;
  readonly count: number;
  /** In ms since 1970; null for runs that have not ended. */
  readonly lastEndedAt: number | null;
}

export const EMPTY_STATE: OperationState = {
  cursor: null,
  progress: { done: 0, failed: 0, total: null },
  report: { counts: {}, failures: [], findings: [], notes: [] },
};
