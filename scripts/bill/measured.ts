// Resources that each operation uses, as `npm run measure-capacity` measured them: scripts/bill/measured.json, with
// date and commit.
import { readFileSync } from "node:fs";
import { z } from "zod";

/** Counts of one operation, from the runtime's own spans and log lines, which are the same in each run. */
const countsSchema = z.strictObject({
  /** Calls of Durable Objects, including alarms; each is billed as a request. */
  objectCalls: z.number(),
  rowsRead: z.number(),
  /** Includes setting alarms, each of which is billed as a row. */
  rowsWritten: z.number(),
  statements: z.number(),
  queueMessages: z.number(),
  /** Messages delivered by a queue. */
  deliveries: z.number(),
  spans: z.number(),
  spanBytes: z.number(),
  logLines: z.number(),
  logBytes: z.number(),
});

const operationSchema = z.strictObject({
  ...countsSchema.shape,
  /** Processor time of the runtime in ms, including the share of the local simulators. */
  processorMs: z.number(),
});

export const OPERATION_NAMES = ["begin", "askFirst", "askCold", "askWarm", "answer", "silence"] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

const measuredSchema = z.strictObject({
  measuredOn: z.iso.date(),
  commit: z.string(),
  machine: z.string(),
  /** When the bytes in PostgreSQL were measured: `npm run measure-capacity -- --archive` measures them alone. */
  archive: z.strictObject({ measuredOn: z.iso.date(), commit: z.string() }),
  /** Tokens of one turn, as the service estimates them. */
  tokensATurn: z.number(),
  turnsADay: z.number(),
  operations: z.strictObject({
    begin: operationSchema,
    askFirst: operationSchema,
    askCold: operationSchema,
    askWarm: operationSchema,
    answer: operationSchema,
    silence: operationSchema,
  }),
  bytes: z.strictObject({
    /** Bytes of a session with one message in its object. */
    begin: z.number(),
    /** Bytes that the first idle period adds in the object besides those of its day: of tables that exist from then on. */
    firstSilence: z.number(),
    /** Bytes of its entry in the list of the user's sessions. */
    list: z.number(),
    /** Bytes that a day of turns and their summary add in the object. */
    objectDay: z.number(),
    /** Bytes of a session in PostgreSQL after its first SUMMARY_GROWTH_DAYS days. */
    postgresSession: z.number(),
    /** Bytes that a later day adds there: new items take the place of those that the summary has no room for any more. */
    postgresDay: z.number(),
  }),
});

/** Days of usual chat after which a session's summary has as many items as it may have. */
export const SUMMARY_GROWTH_DAYS = 3;

export type Counts = z.infer<typeof countsSchema>;
export type Operation = z.infer<typeof operationSchema>;
export type Measured = z.infer<typeof measuredSchema>;

export const MEASURED_FILE = new URL("measured.json", import.meta.url);

export function readMeasured(): Measured {
  return measuredSchema.parse(JSON.parse(readFileSync(MEASURED_FILE, "utf8")));
}
