import { unwrap } from "../../../src/api/errors.ts";
import type { SessionRef } from "../../../src/api/session.ts";
import { creationOf, said } from "./chat.ts";
import { pendingJobs, scheduleSummary, withoutAlarm } from "./jobs.ts";
import { sessionAt } from "./object.ts";

/** Vectors of a tiny model that the tests themselves are. */

export const TINY_MODEL = "test/tiny";
const TINY = 128;

/** This many messages stay verbatim, whatever the settings are. */
const RECENT = ["One.", "Two.", "Three.", "Four."];

/** Texts about animals are near to each other, and so are all others. */
export function tinyVector(text: string): Float32Array {
  const isAnimal = /puppy|beagle|parrot/i.test(text);
  return Float32Array.from(
    { length: TINY },
    (_, at) => (isAnimal ? 1 : -1) * (at % 3 === 0 ? 1 : -1) + text.length / 1e6,
  );
}

/**
 * Messages with these texts and four more, in a session whose summary has one item for each text; only the test does the
 * session's work.
 * @returns the epoch
 */
export async function rememberIn(ref: SessionRef, texts: readonly string[], hasVectors: boolean): Promise<string> {
  const messages = [...texts, ...RECENT].map((text, index) => said(text, `m${index + 1}`));
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, creationOf(ref))));
  const { jobId, epoch } = await scheduleSummary(ref);
  const step = await sessionAt(ref).beginSummary(jobId, epoch);
  if (step.next !== "call") throw new Error(`expected a call, got ${step.next}`);
  const items = texts.map((text, index) => ({
    kind: "fact" as const,
    text,
    sourceSeqs: [index + 1],
    status: "current" as const,
  }));
  const answer = { model: "test", items };
  await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, answer, null, hasVectors));
  if (hasVectors) await makeVectors(ref, epoch);
  return epoch;
}

async function makeVectors(ref: SessionRef, epoch: string): Promise<void> {
  const id = String((await pendingJobs(ref)).find((job) => job["kind"] === "embed")?.["id"]);
  let step = await sessionAt(ref).beginEmbedding(id, epoch, TINY_MODEL);
  while (step.next === "call") {
    const { lease, texts } = step;
    const vectors = texts.map(({ key, text }) => ({ key, vector: tinyVector(text) }));
    const saved = { model: TINY_MODEL, vectors, usage: { inputTokens: 1 } };
    step = await withoutAlarm(ref, (session) => session.saveVectors(id, epoch, lease, saved));
  }
  if (step.next !== "done") throw new Error(`expected vectors to be done, got ${step.next}`);
}
