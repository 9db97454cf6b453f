// What each operation takes, as `npm run measure-capacity` measured it on a service: scripts/bill/measured.json, with its date and commit.
import { readFileSync } from "node:fs";
import { z } from "zod";

/** What is counted of one operation, by what the runtime's own spans and log lines say: the same each time. */
const countsSchema = z.strictObject({
  /** Calls of objects, their alarms among them: each is a request to an object. */
  objectCalls: z.number(),
  rowsRead: z.number(),
  /** With each alarm that is set, which is billed as a row. */
  rowsWritten: z.number(),
  statements: z.number(),
  queueMessages: z.number(),
  /** Deliveries by a queue. */
  deliveries: z.number(),
  spans: z.number(),
  spanBytes: z.number(),
  logLines: z.number(),
  logBytes: z.number(),
});

const operationSchema = z.strictObject({
  ...countsSchema.shape,
  /** Of the runtime, in milliseconds, the local simulators' share included. */
  processorMs: z.number(),
});

export const OPERATION_NAMES = ["begin", "askCold", "askWarm", "answer", "silence"] as const;
export type OperationName = (typeof OPERATION_NAMES)[number];

const measuredSchema = z.strictObject({
  measuredOn: z.iso.date(),
  commit: z.string(),
  machine: z.string(),
  /** Of one turn, as the service estimates them. */
  tokensATurn: z.number(),
  turnsADay: z.number(),
  operations: z.strictObject({
    begin: operationSchema,
    askCold: operationSchema,
    askWarm: operationSchema,
    answer: operationSchema,
    silence: operationSchema,
  }),
  bytes: z.strictObject({
    /** What a session of one message takes in its object. */
    begin: z.number(),
    /** What the list of a user's sessions takes in another. */
    list: z.number(),
    /** What a day of turns and their summary add in the object, and in PostgreSQL. */
    objectDay: z.number(),
    postgresDay: z.number(),
  }),
});

export type Counts = z.infer<typeof countsSchema>;
export type Operation = z.infer<typeof operationSchema>;
export type Measured = z.infer<typeof measuredSchema>;

export const MEASURED_FILE = new URL("measured.json", import.meta.url);

export function readMeasured(): Measured {
  return measuredSchema.parse(JSON.parse(readFileSync(MEASURED_FILE, "utf8")));
}
