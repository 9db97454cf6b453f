import { FILE_PAGE_BYTES, MIN_HELD_LENGTH } from "./chat-content.ts";

/** Bugs that the simulation has to find, each as a change of the source text that the loader makes. src/ itself never has them. */

export interface Patch {
  /** The path below src/, or from there to a migration, whose functions are then replaced in the simulation's database. */
  readonly file: string;
  /** It occurs exactly once. */
  readonly replace: string;
  readonly by: string;
}

/** Not bugs: every run has these changes. */
export const SOUND = "sound";

/**
 * A summary in many parts would need a megabyte of chat, at 32,000 tokens a part. With this limit chats of some dozen messages have
 * several parts. It is larger than the largest summary that the simulation requests. And summaries are given up within a seed.
 */
const TUNING: readonly Patch[] = [
  {
    file: "api/limits.ts",
    replace: "MAX_SUMMARIZER_INPUT_TOKENS = 32_000",
    by: "MAX_SUMMARIZER_INPUT_TOKENS = 900",
  },
  // The isolates' caches of tenants' days are cleared before each seed.
  {
    file: "session/quota/tenant-quota.ts",
    replace: "const days = new TenantDays(createLog());",
    by: "let days = new TenantDays(createLog());\nexport const forgetTenantDays = () => { days = new TenantDays(createLog()); };",
  },
  // When an isolate last reported late work would pass from seed to seed.
  {
    file: "control/late-work-client.ts",
    replace: "PAUSE_MS = 10_000",
    by: "PAUSE_MS = Number.NEGATIVE_INFINITY",
  },
  { file: "lib/retry-policy.ts", replace: "MAX_SUMMARIZE_FAILURES = 20", by: "MAX_SUMMARIZE_FAILURES = 3" },
  // Operators are informed of the first failure, so that there is often something to remove from their list.
  { file: "lib/retry-policy.ts", replace: "REPORT_AFTER_FAILURES = 3", by: "REPORT_AFTER_FAILURES = 1" },
  // A silent session of a few messages is worth a summary, and whatever is paged takes several pages.
  { file: "api/limits.ts", replace: "IDLE_SUMMARY_MIN_TOKENS = 1_000", by: "IDLE_SUMMARY_MIN_TOKENS = 60" },
  { file: "session/copies/fork.ts", replace: "MAX_PAGE_ROWS = 2_000", by: "MAX_PAGE_ROWS = 2" },
  { file: "session/copies/export.ts", replace: "MAX_PAGE_BYTES = 2 * 1024 * 1024", by: "MAX_PAGE_BYTES = 2_000" },
  // Clients' ids are hashed after a few messages, and have several blocks.
  { file: "session/log/client-id-index.ts", replace: "HASHED_AT_ONCE = 64", by: "HASHED_AT_ONCE = 4" },
  { file: "session/log/client-id-index.ts", replace: "BLOCK_MESSAGES = 960", by: "BLOCK_MESSAGES = 8" },
  // Files of a few KB are stored outside of messages, and take several rows; so do long texts.
  { file: "prompt/held-files.ts", replace: "MIN_HELD_LENGTH = 8 * 1024", by: `MIN_HELD_LENGTH = ${MIN_HELD_LENGTH}` },
  { file: "session/sqlite/file-store.ts", replace: "PAGE_BYTES = 1024 * 1024", by: `PAGE_BYTES = ${FILE_PAGE_BYTES}` },
  {
    file: "session/sqlite/file-store.ts",
    replace: "MAX_ROW_CONTENT_BYTES = 512 * 1024",
    by: "MAX_ROW_CONTENT_BYTES = 12_000",
  },
  { file: "session/sqlite/file-store.ts", replace: "FILLING_BYTES = 4096", by: "FILLING_BYTES = 8" },
  { file: "usecases/import-lines.ts", replace: "MAX_PAGE_LINES = 100", by: "MAX_PAGE_LINES = 6" },
  { file: "pipeline/carry-over.ts", replace: "MAX_WAITS = 6", by: "MAX_WAITS = 3" },
  { file: "session/archive/messages.ts", replace: "MAX_PAGE_ROWS = 500", by: "MAX_PAGE_ROWS = 3" },
  { file: "session/archive/messages.ts", replace: "MAX_CHANGED = 100", by: "MAX_CHANGED = 2" },
  { file: "session/copies/tell-copies.ts", replace: "MAX_ERASURES_PER_CALL = 250", by: "MAX_ERASURES_PER_CALL = 2" },
  { file: "session/copies/tell-copies.ts", replace: "MAX_CALLS_PER_COPY = 100", by: "MAX_CALLS_PER_COPY = 2" },
  { file: "session/copies/tell-copies.ts", replace: "MAX_CALLS_PER_ROUND = 250", by: "MAX_CALLS_PER_ROUND = 3" },
  { file: "session/copies/lineage.ts", replace: "MAX_NAMED_COPIES = 5_000", by: "MAX_NAMED_COPIES = 2" },
  { file: "session/log/message-eraser.ts", replace: "MAX_LISTED = 1_000", by: "MAX_LISTED = 2" },
  { file: "session/log/message-eraser.ts", replace: "MAX_SLICE_ROWS = 10_000", by: "MAX_SLICE_ROWS = 2" },
];

export const PLANTED_BUGS: Readonly<Record<string, readonly Patch[]>> = {
  "dedupe-outside-the-transaction": [
    {
      file: "session/object.ts",
      replace: "      return this.#append({ request, creation: null, by }, tenant);",
      by: `      const ids = request.messages.flatMap(({ id }) => (id === undefined ? [] : [id]));
      const before = this.#calls.unit();
      const seen = before.findUnerased() === null ? [] : before.store.messages.earlier(ids);
      await Promise.resolve();
      before.store.messages.earlier = () => seen;
      return this.#append({ request, creation: null, by }, tenant);`,
    },
  ],
  "ids-that-are-not-hashed-yet-are-not-looked-at": [
    {
      file: "session/log/client-id-index.ts",
      replace: "const seqs = unhashed.toArray().map(seqOf);",
      by: "const seqs: number[] = [];\n    void unhashed;",
    },
  ],
  "ids-of-a-block-are-hashed-once": [
    {
      file: "session/log/client-id-index.ts",
      replace: "if (seq % HASHED_AT_ONCE !== 0) return;",
      by: "if (seq % HASHED_AT_ONCE !== 0 || this.#read().has(blockOf(seq))) return;",
    },
  ],
  // A session that an append creates: others may come in between while its object waits for the directory.
  "an-append-begins-without-the-directory": [
    {
      file: "session/log/begin.ts",
      replace: "const grant = await directory.register(ref, createdAt, metadata, undefined, ask);",
      by: "await Promise.resolve();\n    const grant = { createdAt, grantedAt: Date.now(), isKnown: false };\n    void [directory, metadata, ask];",
    },
  ],
  "an-append-begins-what-was-begun-meanwhile": [
    {
      file: "session/log/append-for-client.ts",
      replace: "if (unit.findSession() === null) createSession(unit, creation);",
      by: "createSession(unit, creation);",
    },
  ],
  "a-grant-is-as-old-as-the-request": [
    {
      file: "session/log/begin.ts",
      replace: "value: { ...creation, ...grant }",
      by: "value: { ...creation, ...grant, grantedAt: Math.max(grant.grantedAt, Date.now()) }",
    },
  ],
  // The lease stands for all that a model was given: the messages, and the version that it continues from.
  "an-answer-under-a-lost-lease-is-saved": [
    {
      file: "session/summary/run.ts",
      replace: "if (job.lease !== lease || chunk === null)",
      by: "if (chunk === null)",
    },
  ],
  "a-job-is-deleted-when-it-is-queued": [
    {
      file: "session/outbox/alarm.ts",
      replace: "await queue.send(message);",
      by: "await queue.send(message);\n    calls.changeIfLeft(({ store }) => store.jobs.delete(message.jobId));",
    },
  ],
  "stale-archive-write": [
    {
      file: "../migrations/0001_functions.sql",
      replace: "ELSIF held.rev >= c.rev THEN",
      by: "ELSIF held.rev > c.rev + 1000000 THEN",
    },
  ],
  "change-of-an-archived-message-not-sent": [
    {
      file: "session/erase/erase.ts",
      replace: "scheduleArchive(unit, isCovered, seqs);",
      by: "scheduleArchive(unit, isCovered);",
    },
  ],
  "version-not-purged-after-an-erase": [
    {
      file: "session/summary/run.ts",
      replace: "if (replacesAfter !== null) store.summaries.deleteVersionsAfter(replacesAfter);",
      by: "",
    },
  ],
  "epoch-reused": [
    { file: "session/log/epoch.ts", replace: "epoch: unit.newId(),", by: "epoch: creation.ref.session," },
  ],
  "omitted-off-by-one": [
    {
      file: "prompt/omitted.ts",
      replace: "withReason(nextSeq, firstSeq - 1,",
      by: "withReason(nextSeq, Math.max(nextSeq, firstSeq - 2),",
    },
  ],
  "tool-pair-split": [{ file: "prompt/cut.ts", replace: "return awaiting.size === 0;", by: "return true;" }],
  // The alarm is set again after what can fail, and not before it.
  "alarm-not-armed-after-a-throw": [
    {
      file: "session/transactions.ts",
      replace: "  rings(): void {\n    this.#alarmAt = undefined;\n  }",
      by: `  rings(): void {
    this.#alarmAt = Number.NEGATIVE_INFINITY;
  }
  sent(): void {
    this.#alarmAt = undefined;
    this.changeIfLeft(() => undefined);
  }
  failed(): void {
    if (this.#alarmAt === Number.NEGATIVE_INFINITY) this.#alarmAt = null;
  }`,
    },
    {
      file: "session/transactions.ts",
      replace: "set === null || set <= unit.now ||",
      by: "set === null || (set <= unit.now && set !== Number.NEGATIVE_INFINITY) ||",
    },
    {
      file: "session/outbox/alarm.ts",
      replace: "  await lateWork.note(queues.OPERATIONS, late);",
      by: "  await lateWork.note(queues.OPERATIONS, late);\n  if (jobs.length === 0) calls.sent();",
    },
    {
      file: "session/outbox/alarm.ts",
      replace: "await queue.send(message);",
      by: "await queue.send(message);\n    calls.sent();",
    },
    {
      file: "session/outbox/alarm.ts",
      replace: "    calls.changeIfLeft((unit) => noteNotSent(unit, message.jobId, Math.random()));",
      by: "    calls.failed();",
    },
  ],
  "retry-after-an-edit-taken-for-a-conflict": [
    {
      file: "session/log/append.ts",
      replace: "if (row.hash !== null) return areSameBytes(row.hash, hash);",
      by: "",
    },
  ],
  "erasures-not-told-to-copies": [
    {
      file: "session/copies/tell-copies.ts",
      replace: "if (!unit.store.lineage.isTaken(epoch, seq)) return;",
      by: "if (seq > 0) return;",
    },
  ],
  "expires-before-the-archive-confirmed": [
    {
      file: "session/outbox/idle-schedule.ts",
      replace: "const isAllDone = !store.jobs.isAnyBut(jobId);",
      by: "const isAllDone = true;",
    },
  ],
  "fallback-never-replaced": [
    { file: "session/summary/run.ts", replace: "if (made.degraded) upgrade = ", by: "if (false) upgrade = " },
  ],
  "expires-though-somebody-spoke": [
    {
      file: "session/outbox/idle-schedule.ts",
      replace: "if (expiry === null || expiry > unit.now) return",
      by: "if (expiry === null) return",
    },
  ],
  "a-new-epoch-by-an-old-grant": [
    {
      file: "directory/entries.ts",
      replace: "(known?.granted_at ?? this.#latestRemovedGrant()) + 1",
      by: "(known?.granted_at ?? 0) + 1",
    },
  ],
  "an-erased-user-is-looked-at-for-ever": [
    {
      file: "directory/erasure.ts",
      replace: "      this.put({ ...row, nextSendAt: row.finishedAt + ERASED_USER_REST_MS });\n",
      by: "",
    },
  ],
  "done-work-stays-listed": [
    {
      file: "pipeline/report.ts",
      replace: `if (standing === "over") await endFailure(parts, job);
  else await settleLate(parts, job);`,
      by: "if (standing !== null) await settleLate(parts, job);",
    },
  ],
  "a-rebuilt-summary-forgets-that-it-failed": [
    {
      file: "session/summary/rebuild.ts",
      replace: "store.jobs.put({ ...job, firstError, lastError, firstFailedAt, lastFailedAt });",
      by: "store.jobs.put(job);",
    },
  ],
  "a-failure-told-late-stays-listed": [
    {
      file: "pipeline/report.ts",
      replace:
        "const isPending = await parts.sessions.get(job).noteUndelivered(job.jobId, job.epoch, reason, failedAt);",
      by: `const isPending = (await parts.sessions.get(job).jobStanding(job.jobId, job.epoch)) !== "over" && reason !== "";`,
    },
  ],
  "tables-that-were-rolled-back-are-remembered": [
    { file: "directory/directory.ts", replace: "      this.#entries.lookAgain();\n", by: "" },
  ],
  "an-edit-leaves-the-totals-as-they-were": [
    {
      file: "session/log/message-writer.ts",
      replace: "before.map((block) => ({ ...block, cost: cost - block.cost, bytes:",
      by: "before.map((block) => ({ ...block, cost: 0, bytes:",
    },
  ],
  "spent-is-summed-from-versions": [
    {
      file: "session/summary/run.ts",
      replace: "unit.store.spent.on(startOfDay(unit.now)).summarizerTokens >= budget;",
      by: `unit.store.summaries
      .between(0, Number.MAX_SAFE_INTEGER, 1_000)
      .filter(({ createdAt }) => createdAt >= startOfDay(unit.now))
      .reduce((sum, { usage }) => sum + (usage?.inputTokens ?? 0) + (usage?.outputTokens ?? 0), 0) >= budget;`,
    },
  ],
  "a-further-origin-takes-the-place-of-a-direct-one": [
    {
      file: "session/copies/lineage-store.ts",
      replace: "\n         WHERE excluded.kind <> 'further' OR origins.state = 'lost'",
      by: "",
    },
  ],
  "an-old-grant-is-taken-for-dead": [
    {
      file: "directory/erasure.ts",
      replace: "const settled = now - GRANT_REST_MS;",
      by: "const settled = now;",
    },
  ],
  "a-copy-confirms-what-it-was-told": [
    {
      file: "session/erase/erase-copied.ts",
      replace: "isConfirmed &&= isGoneFromHere(unit, taken);",
      by: "",
    },
  ],
  "a-cursor-moves-before-the-copy-confirms": [
    {
      file: "session/copies/tell-copies.ts",
      replace: "if (call.isConfirmed && store",
      by: "if (store",
    },
  ],
  "copies-of-a-copy-are-not-told": [
    {
      file: "session/copies/tell-copies.ts",
      replace: "for (const further of call.further) addFurther(unit, call, further);",
      by: "void addFurther;",
    },
  ],
  "an-erasure-that-comes-round-is-ignored": [
    {
      file: "session/erase/erase-copied.ts",
      replace: "if (through !== undefined && isCutOff !== true) return effectByWayOf(",
      by: `if (origin !== undefined && origin.kind !== "further" && through !== undefined) return NO_EFFECT;
  if (Date.now() < 0 && through !== undefined) return effectByWayOf(`,
    },
  ],
  "a-fork-takes-a-summary-that-is-asked-for-again": [
    {
      file: "session/copies/fork.ts",
      replace: "const summary = isStale ? null : ",
      by: "const summary = ",
    },
  ],
  "the-last-message-that-a-model-holds-is-erased-unseen": [
    {
      file: "session/erase/invalidate.ts",
      replace: "const firstGiven = lowestBetween(on, 0, begun);",
      by: "const firstGiven = lowestBetween(on, 0, begun - 1);",
    },
  ],
  "a-fallback-lands-before-it-is-whole": [
    {
      file: "session/summary/run.ts",
      replace: "if (throughSeq < job.throughSeq) {",
      by: "if (throughSeq < job.throughSeq && fallbackCause === null) {",
    },
  ],
  "a-file-stays-after-its-last-message": [
    {
      file: "session/sqlite/file-store.ts",
      replace: "JSON.stringify(seqs));\n    this.#eraseUncited(files);",
      by: "JSON.stringify(seqs));",
    },
  ],
  "tables-are-remembered-after-they-are-gone": [
    { file: "session/store.ts", replace: "    this.#tables.forget();\n", by: "" },
  ],
  "a-file-stays-after-an-edit": [
    { file: "session/sqlite/file-store.ts", replace: "    this.#eraseUncited(gone);\n", by: "" },
  ],
  "files-are-told-apart-by-their-first-page": [
    {
      file: "session/sqlite/file-store.ts",
      replace: ".update(bytes).digest()",
      by: ".update(bytes.subarray(0, PAGE_BYTES)).digest()",
    },
  ],
  "an-unpinned-message-stays-pinned": [
    {
      file: "session/erase/edit.ts",
      replace: "if (patch.pinned !== undefined && patch.pinned !== row.isPinned)",
      by: "if (patch.pinned === true)",
    },
  ],
  "a-pin-is-dropped-silently": [
    {
      file: "prompt/pin-instructions.ts",
      replace: "if (cost > room && !isTooLarge) left.push({ seq, cost });",
      by: "if (cost > room && !isTooLarge) continue;",
    },
  ],
  "a-pin-stays-with-what-is-left-of-its-message": [
    {
      file: "session/log/message-eraser.ts",
      replace: "edited_at = NULL, pinned = 0, held_bytes = 0",
      by: "edited_at = NULL, held_bytes = 0",
    },
  ],
  "an-import-forgets-pins": [
    { file: "session/copies/import.ts", replace: "isPinned: line.pinned === true,", by: "isPinned: false," },
  ],
  "a-lone-surrogate-is-taken-as-it-is": [
    {
      file: "api/text.ts",
      replace: "const wellFormed = text.isWellFormed() ? text : text.toWellFormed();",
      by: "const wellFormed = text;",
    },
  ],
  "a-version-is-restored-that-rests-on-what-is-erased": [
    {
      file: "session/summary/restore.ts",
      replace: "if (version > lastSoundVersion(unit)) return UNSOUND;",
      by: "",
    },
  ],
  "versions-after-a-restored-one-stay": [
    {
      file: "session/summary/run.ts",
      replace: "  unit.store.summaries.deleteVersionsAfter(earlier.version);\n",
      by: "",
    },
  ],
  "the-directory-is-not-told-of-metadata": [
    {
      file: "session/log/settings-for-client.ts",
      replace: "if (patch.metadata !== undefined) scheduleListing(unit);",
      by: "",
    },
  ],
  "an-import-forgets-what-was-erased-meanwhile": [
    {
      file: "session/erase/erase-copied.ts",
      replace: `if (!isPending && unit.session.copying?.kind !== "import") return;`,
      by: "if (!isPending) return;",
    },
  ],
  // What a call of a session rests on: the unit of work, its commit, and what the stores remember between calls.
  "a-unit-goes-on-with-the-session-as-it-was-read": [
    {
      file: "session/unit.ts",
      replace: "if (this.#read?.row !== row) this.#read",
      by: "if (this.#read === null) this.#read",
    },
  ],
  "a-write-leaves-the-session-as-it-was-read": [
    {
      file: "session/store.ts",
      replace: "    this.#row = undefined;\n    this.changes.isRescheduled = true;\n",
      by: "    this.changes.isRescheduled = true;\n",
    },
  ],
  "what-was-rolled-back-is-remembered": [
    {
      file: "session/transactions.ts",
      replace: "      changes.clear();\n      unit.store.forget();\n",
      by: "      changes.clear();\n",
    },
  ],
  "a-vanished-object-remembers-its-session": [
    {
      file: "session/transactions.ts",
      replace: "    this.#alarmAt = null;\n    store.forget();\n",
      by: "    this.#alarmAt = null;\n",
    },
  ],
  "the-alarm-stands-though-a-job-is-due-sooner": [
    {
      file: "session/transactions.ts",
      replace: "if (set === null || set <= unit.now || (at !== null && at < set)) this",
      by: "if (set === null || set <= unit.now) this",
    },
  ],
  "the-search-index-keeps-what-is-erased": [
    {
      file: "session/transactions.ts",
      replace: "    if (erased.size > 0) search.remove([...erased]);\n",
      by: "",
    },
  ],
  "the-search-index-keeps-a-log-that-is-gone": [
    {
      file: "session/transactions.ts",
      replace: "      search.drop();\n      return;",
      by: "      return;",
    },
  ],
  "an-erased-message-keeps-its-vector": [
    { file: "session/log/message-eraser.ts", replace: "    this.#vectors.forgetMessages(seqs);\n", by: "" },
  ],
  "an-edited-message-keeps-its-vector": [
    {
      file: "session/log/message-writer.ts",
      replace: "!this.#saysStill(seq, packed.json)) this.#vectors.forgetMessages([seq]);",
      by: "false) this.#vectors.forgetMessages([seq]);",
    },
  ],
  "a-dropped-item-keeps-its-vector": [
    {
      file: "session/summary/item-blocks.ts",
      replace: "    if (this.#vectors.state() !== null) this.#vectors.forgetItems(places);\n",
      by: "",
    },
  ],
};

/** Bugs that the first ten seeds do not find: a run that has a minute looks for the others. */
export const FOUND_LATE: ReadonlySet<string> = new Set([
  "stale-archive-write",
  "version-not-purged-after-an-erase",
  "expires-before-the-archive-confirmed",
  "expires-though-somebody-spoke",
  "a-new-epoch-by-an-old-grant",
  "an-old-grant-is-taken-for-dead",
  "done-work-stays-listed",
  "a-rebuilt-summary-forgets-that-it-failed",
  "a-failure-told-late-stays-listed",
  "tables-that-were-rolled-back-are-remembered",
  "the-last-message-that-a-model-holds-is-erased-unseen",
  "a-fallback-lands-before-it-is-whole",
  "a-file-stays-after-its-last-message",
  "files-are-told-apart-by-their-first-page",
  "an-import-forgets-pins",
  "an-import-forgets-what-was-erased-meanwhile",
  "a-version-is-restored-that-rests-on-what-is-erased",
  "versions-after-a-restored-one-stay",
  "an-edited-message-keeps-its-vector",
  "a-dropped-item-keeps-its-vector",
]);

/** Whether a patch changes a function of PostgreSQL: the archive makes it, not the loader of modules. */
export function isOfDatabase({ file }: Patch): boolean {
  return file.endsWith(".sql");
}

export function patchesOf(variant: string): readonly Patch[] {
  if (variant === SOUND) return TUNING;
  const bug = PLANTED_BUGS[variant];
  if (bug === undefined) {
    throw new Error(`There is no planted bug "${variant}". There are: ${Object.keys(PLANTED_BUGS).join(", ")}`);
  }
  return [...TUNING, ...bug];
}
