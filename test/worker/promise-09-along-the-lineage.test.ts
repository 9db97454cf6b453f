import { describe, expect, it } from "vitest";
import { type TransferLine, transferLineSchema } from "../../src/api/transfer.ts";
import { ALL_SESSIONS, type CarriedItems, type EpochRef } from "../../src/session/client.ts";
import {
  archivedTexts,
  archivedWhole,
  beside,
  chatOf,
  continuationOf,
  creationOf,
  deliver,
  epochOf,
  epochRefOf,
  evictDurableObject,
  forkOf,
  freshRef,
  itemsOf,
  jobOf,
  letPass,
  listed,
  pendingJobs,
  pipelineDeps,
  quoting,
  request,
  ring,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeAndArchive,
  summarizeBy,
  takeAlarm,
  turn,
  until,
  untilExpired,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const SECRET = "the invoice 1003";

async function forgets(ref: SessionRef): Promise<void> {
  await until("the copy forgets", async () => !(await storedText(ref)).includes(SECRET));
}

async function expectArchiveForgets(ref: SessionRef, epoch: string): Promise<void> {
  await until("the archive forgets", async () => {
    await ring(ref);
    return !(await archivedTexts(epoch)).join("\n").includes(SECRET);
  });
}

/** Lets a session expire, whatever has to happen first. */
async function expire(ref: SessionRef): Promise<void> {
  unwrap(await sessionAt(ref).update({ settings: { expireAfterIdleSeconds: 60 } }));
  await letPass(ref, 3_600_000);
  await untilExpired(ref);
}

describe("promise 9: erasing a message erases it from every copy", () => {
  it("in forks and their forks: log, summary, archive and search, while what was said there since stays", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const fork = await forkOf(source);
    unwrap(await sessionAt(fork).append({ messages: [said("only here", "own")] }, null));
    const second = await forkOf(fork);
    for (const ref of [fork, second]) {
      await archivedWhole(ref);
      expect(await storedText(ref)).toContain(SECRET);
      expect(unwrap(await sessionAt(ref).search({ query: "invoice 1003" })).data[0]?.message.id).toBe("turn-3");
    }
    unwrap(await sessionAt(source).eraseMessage("turn-3"));
    for (const ref of [fork, second]) {
      await forgets(ref);
      expect(unwrap(await sessionAt(ref).message("turn-3"))).toMatchObject({ seq: 3, erased: true, content: "" });
      expect(unwrap(await sessionAt(ref).message("own")).content).toBe("only here");
      const hits = unwrap(await sessionAt(ref).search({ query: "invoice 1003" })).data;
      expect(hits.map(({ message }) => message.id)).not.toContain("turn-3");
      await expectArchiveForgets(ref, await epochOf(ref));
    }
  });

  it("is answered with erased once the copies have confirmed, and not before", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source);
    expect(unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-6")))).toMatchObject({
      state: "erasing",
    });
    expect(unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-6")))).toMatchObject({
      state: "erasing",
    });
    await deliver(await jobOf(source, "erase-copies"));
    expect(unwrap(await sessionAt(source).eraseMessage("turn-6"))).toMatchObject({ state: "erased" });
    expect(unwrap(await sessionAt(fork).message("turn-6"))).toMatchObject({ erased: true });
    expect(await pendingJobs(source)).toEqual([]);
  });

  it("costs a few rows, even if thousands of sessions continue it, and is told together with others", async () => {
    const source = await chatOf(6);
    const origin = { session: source.session, epoch: await epochOf(source) };
    const written = async (): Promise<number> =>
      runInDurableObject(stubAt(source), (_, state) =>
        Number(state.storage.sql.exec("SELECT total_changes() AS rows").one()["rows"]),
      );
    unwrap(await sessionAt(source).beginContinuation("copy"));
    const names = Array.from({ length: 3_000 }, (_, at) => `copy-${at}`);
    await runInDurableObject(stubAt(source), (_, state) => {
      state.storage.sql.exec(
        `INSERT INTO copies (root, session, source_session, source_epoch, confirmed_row)
         SELECT ?1, value, ?2, ?1, 0 FROM json_each(?3)`,
        origin.epoch,
        origin.session,
        JSON.stringify(names),
      );
    });
    const before = await written();
    for (const id of ["turn-1", "turn-3", "turn-6"]) {
      unwrap(await withoutAlarm(source, (session) => session.eraseMessage(id)));
    }
    expect((await written()) - before).toBeLessThan(300);
    const { jobId, epoch } = await jobOf(source, "erase-copies");
    const round = await sessionAt(source).readPendingErasures(jobId, epoch);
    expect(round?.calls).toHaveLength(250);
    for (const { erased } of round?.calls ?? []) expect(erased).toEqual([{ source: origin, seqs: [1, 3, 6] }]);
  });

  it("does not notify a fork of what it never copied", async () => {
    const source = await chatOf(6);
    await forkOf(source, { throughSeq: 4 });
    expect(unwrap(await sessionAt(source).eraseMessage("turn-6"))).toMatchObject({ state: "erased" });
    expect(await pendingJobs(source)).toEqual([]);
  });

  it("does not affect a copy's own message with the same seq", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source, { throughSeq: 4 });
    unwrap(await sessionAt(fork).append({ messages: [said("five", "five"), said("six", "six")] }, null));
    const origin = { session: source.session, epoch: await epochOf(source) };
    await sessionAt(fork).eraseCopied([{ source: origin, seqs: [4, 5, 6] }]);
    expect(unwrap(await sessionAt(fork).message("turn-4"))).toMatchObject({ erased: true });
    expect(unwrap(await sessionAt(fork).message("five")).content).toBe("five");
  });

  it("changes nothing if it is repeated, or if it concerns an epoch that the copy did not come from", async () => {
    const source = await chatOf(12);
    const fork = await forkOf(source);
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
    const job = await jobOf(source, "erase-copies");
    await deliver(job);
    const before = await storedText(fork);
    expect(await deliver(job)).toBe("acked");
    await sessionAt(fork).eraseCopied([{ source: { session: source.session, epoch: "another" }, seqs: null }]);
    await sessionAt(fork).eraseCopied([{ source: { session: "another", epoch: "another" }, seqs: [1] }]);
    expect(await storedText(fork)).toBe(before);
  });

  it("reaches the other copies even if one of them is unavailable, and that one later", async () => {
    const source = await chatOf(6);
    const forks = [await forkOf(source), await forkOf(source), await forkOf(source)].toSorted((a, b) =>
      a.session < b.session ? -1 : 1,
    );
    const [away, ...others] = forks;
    if (away === undefined) throw new Error("no fork");
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-3")));
    const { sessions } = pipelineDeps();
    const broken = pipelineDeps({
      sessions: {
        get: (ref) => {
          if (ref.session === away.session) throw new Error("out of reach");
          return sessions.get(ref);
        },
      },
    });
    const job = await jobOf(source, "erase-copies");
    // The session itself is available, and retries.
    expect(await deliver(job, broken)).toBe("acked");
    await takeAlarm(source);
    expect(await pendingJobs(source)).toMatchObject([{ kind: "erase-copies", failures: 1, state: "pending" }]);
    for (const ref of others) expect(await storedText(ref)).not.toContain(SECRET);
    expect(await storedText(away)).toContain(SECRET);
    expect(await jobOf(source, "erase-copies")).toMatchObject({ jobId: job.jobId });
    expect(await deliver(job)).toBe("acked");
    expect(await storedText(away)).not.toContain(SECRET);
    expect(await pendingJobs(source)).toEqual([]);
  });
});

describe("promise 9: erasing a session erases it from every copy", () => {
  it("in forks and their forks, messages and summary, while what was said there since stays", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const fork = await forkOf(source, { throughSeq: 10 });
    unwrap(await sessionAt(fork).append({ messages: [said("only here", "own")] }, null));
    const second = await forkOf(fork);
    unwrap(await sessionAt(source).erase());
    for (const ref of [fork, second]) {
      await forgets(ref);
      await until("all of it is erased", async () => !(await storedText(ref)).includes("invoice"));
      const { data } = unwrap(await sessionAt(ref).messages({ limit: 20 }));
      expect(data.filter(({ erased }) => erased !== true).map(({ id }) => id)).toEqual(["own"]);
      expect(data).toHaveLength(11);
      await expectArchiveForgets(ref, await epochOf(ref));
      unwrap(await sessionAt(ref).append({ messages: [said("and on", "on")] }, null));
    }
    await until("the source is as if it had never been", async () => (await storedText(source)) === "");
  });

  it("keeps the object until the copies have confirmed, even if the archive has", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source);
    unwrap(await withoutAlarm(source, (session) => session.erase()));
    const [erase, tell] = [await jobOf(source, "erase"), await jobOf(source, "erase-copies")];
    await deliver(erase);
    expect(await pendingJobs(source)).toMatchObject([{ kind: "erase-copies" }]);
    expect(await storedText(fork)).toContain(SECRET);
    await deliver(tell);
    expect(await storedText(fork)).not.toContain("invoice");
    expect(await storedText(source)).toBe("");
  });

  it("erases a continuation of a fork, and a fork of a continuation", async () => {
    const a = await chatOf(12);
    await summarizeAndArchive(a);
    const fork = await forkOf(a);
    const ofFork = await continuationOf(fork);
    const b = await continuationOf(a);
    unwrap(await sessionAt(b).append({ messages: [turn(31), turn(32)] }, null));
    const ofB = await forkOf(b);
    for (const ref of [ofFork, ofB]) expect((await itemsOf(ref)).length).toBeGreaterThan(0);
    unwrap(await sessionAt(a).erase());
    for (const ref of [ofFork, ofB])
      await until("nothing of it is left", async () => (await itemsOf(ref)).length === 0);
    expect(unwrap(await sessionAt(ofB).messages({ limit: 10 })).data.map(({ id }) => id)).toEqual([
      "turn-31",
      "turn-32",
    ]);
  });

  it("does not affect a new session with the id of an erased copy", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source);
    unwrap(await sessionAt(fork).erase());
    await until("the fork is gone", async () => (await storedText(fork)) === "");
    unwrap(await sessionAt(fork).append({ messages: [turn(3)] }, creationOf(fork)));
    unwrap(await withoutAlarm(source, (session) => session.erase()));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await storedText(fork)).toContain(SECRET);
  });
});

describe("promise 9: an expired copy", () => {
  it("is deleted completely, including archive and list, if something that it copied is erased", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const made = await request<{ id: string }>("POST", `/sessions/${source.session}/fork`, {});
    const fork = beside(source, made.body.id);
    await until("the fork is whole", async () => unwrap(await sessionAt(fork).state()).status === "active");
    await expire(fork);
    const epoch = await epochOf(fork);
    expect((await archivedTexts(epoch)).length).toBeGreaterThan(0);
    unwrap(await sessionAt(source).eraseMessage("turn-3"));
    await until("the expired copy is gone", async () => {
      const state = await sessionAt(fork).state();
      return !state.ok && state.fault.code === "session_not_found";
    });
    await until("the archive forgets", async () => (await archivedTexts(epoch)).length === 0);
    expect((await listed(fork)).has(fork.session)).toBe(false);
  });

  it("stays if what is erased is later than everything that it is based on", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const copy = await continuationOf(source);
    await expire(copy);
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-11")));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await sessionAt(copy).state()).toMatchObject({ fault: { code: "session_expired" } });
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("turn-1")));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await sessionAt(copy).state()).toMatchObject({ fault: { code: "session_not_found" } });
  });

  it("still passes on an erasure in its source, although it has no messages any more", async () => {
    const a = await chatOf(12);
    await summarizeAndArchive(a);
    const b = await forkOf(a);
    const c = await forkOf(b);
    await expire(b);
    unwrap(await sessionAt(a).eraseMessage("turn-3"));
    await forgets(c);
    expect(
      await runInDurableObject(stubAt(c), (_, state) => state.storage.sql.exec("SELECT 1 FROM session").toArray()),
    ).toHaveLength(1);
  });
});

/** Rings the alarms of sessions until none has a pending job. Each job is due at once. */
async function settle(...refs: readonly SessionRef[]): Promise<void> {
  await until("nothing is pending", async () => {
    for (const ref of refs) if ((await storedText(ref)) !== "") await ring(ref);
    const pending = await Promise.all(
      refs.map(async (ref) => ((await storedText(ref)) === "" ? [] : pendingJobs(ref))),
    );
    return pending.flat().length === 0;
  });
}

const stateOf = async (ref: SessionRef, id: string): Promise<string> =>
  unwrap(await withoutAlarm(ref, (session) => session.eraseMessage(id))).state;

describe("promise 9: lives of one id in the lineage of a session", () => {
  it("do not change a fork's source, even if an earlier epoch of that id arrives with its items", async () => {
    const a = await chatOf(10);
    await summarizeAndArchive(a);
    const b = await continuationOf(a);
    unwrap(await sessionAt(a).erase());
    await settle(a, b);
    const anew = await request<{ id: string }>("POST", "/sessions", { id: a.session, continueFrom: b.session });
    expect(anew.status).toBe(201);
    await until("it is carried over", async () => unwrap(await sessionAt(a).state()).origin?.state === "done");
    unwrap(await sessionAt(a).append({ messages: [said("one", "m1"), said("My PIN is 4711.", "m2")] }, null));
    const fork = await forkOf(a);
    expect(unwrap(await sessionAt(fork).state()).origin).toMatchObject({ session: a.session, kind: "fork" });
    unwrap(await sessionAt(a).eraseMessage("m2"));
    await settle(a, b, fork);
    expect(await storedText(fork)).not.toMatch(/(?<![\da-f])4711(?![\da-f])/);
    expect(await stateOf(a, "m2")).toBe("erased");
  });
});

/** A word that only one message says. Models put it into items that cite other messages. */
const FOLDED = "mandrake";

/** Summarizes a session by a model that puts the word into an item for its own first message. */
function reword(ref: SessionRef): Promise<void> {
  return summarizeBy(ref, ({ previous, ...given }) => {
    const { model, items } = quoting({ ...given, previous: [] });
    const [first, ...rest] = items;
    if (first === undefined) throw new Error("nothing was said in it");
    return { model, items: [...previous, { ...first, text: `${first.text} ${FOLDED}` }, ...rest] };
  });
}

/** A session that begins with items of another one: the job that carries them over is only done by `carry`. */
async function beginWith(source: EpochRef, owner: SessionRef): Promise<SessionRef> {
  const ref = beside(owner);
  unwrap(await withoutAlarm(ref, (session) => session.create(creationOf(ref), undefined, source)));
  return ref;
}

async function carry(ref: SessionRef, items: CarriedItems): Promise<void> {
  const { jobId, epoch } = await jobOf(ref, "restore");
  const isDone = await withoutAlarm(ref, async (session) => {
    const next = await session.nextCarryOver(jobId, epoch);
    return next !== null && (await session.carryOver(jobId, epoch, next.lease, items));
  });
  expect(isDone).toBe(true);
}

async function carriedFrom(source: SessionRef): Promise<CarriedItems> {
  const carried = await sessionAt(source).readCarried(await epochOf(source), false);
  if (carried?.next !== "items") throw new Error("the source has nothing to give");
  return carried;
}

async function continuing(source: SessionRef): Promise<SessionRef> {
  const copy = beside(source);
  const epoch = unwrap(await sessionAt(source).beginContinuation(copy.session));
  unwrap(await withoutAlarm(copy, (session) => session.create(creationOf(copy), undefined, epoch)));
  await carry(copy, await carriedFrom(source));
  return copy;
}

const talk = async (ref: SessionRef, from: number): Promise<void> => {
  const messages = Array.from({ length: 6 }, (_, at) => turn(from + at));
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, null)));
};

describe("promise 9: what a session said comes back to it in the words of another", () => {
  it("and is erased in it, in its forks and in its continuations", async () => {
    // The session is seeded from all sessions of its user, and its job is late: another session continues it meanwhile.
    const session = await beginWith({ session: ALL_SESSIONS, epoch: "" }, freshRef());
    await talk(session, 1);
    unwrap(await withoutAlarm(session, (object) => object.append({ messages: [said(`Say ${FOLDED}.`, "m")] }, null)));
    await talk(session, 7);
    await summarizeBy(session, quoting);
    const other = await continuing(session);
    await talk(other, 21);
    await reword(other);
    unwrap(await sessionAt(other).beginContinuation(session.session));
    const [own, given] = [await epochRefOf(other), await carriedFrom(other)];
    await carry(session, {
      throughSeq: 0,
      items: given.items.map((item) =>
        item.sourceSession === undefined ? { ...item, sourceSession: own.session, sourceEpoch: own.epoch } : item,
      ),
      origins: [{ ...own, kind: "further", throughSeq: 0, state: "done" }, ...given.origins],
    });
    const fork = await forkOf(session);
    const next = await continuing(session);
    const all = [session, other, fork, next];
    for (const ref of all) expect(await storedText(ref)).toContain(FOLDED);
    unwrap(await sessionAt(session).eraseMessage("m"));
    await settle(...all);
    for (const ref of all) expect(await storedText(ref)).not.toContain(FOLDED);
    expect(await stateOf(session, "m")).toBe("erased");
    // What else was said in the session is still known in the one that continues it.
    expect((await itemsOf(next)).some(({ sourceSession }) => sourceSession === session.session)).toBe(true);
  });

  it("and is not copied by a fork that begins while its source asks for its items again", async () => {
    const source = await chatOf(1);
    unwrap(await sessionAt(source).append({ messages: [said(`Say ${FOLDED}.`, "m")] }, null));
    await talk(source, 7);
    await summarizeBy(source, quoting);
    const middle = await continuing(source);
    await talk(middle, 21);
    await reword(middle);
    const fork = beside(middle);
    const from = unwrap(await sessionAt(middle).beginFork(fork.session, undefined));
    unwrap(await withoutAlarm(fork, (session) => session.createFork(creationOf(fork), from, 0)));
    unwrap(await withoutAlarm(source, (session) => session.eraseMessage("m")));
    await deliver(await jobOf(source, "erase-copies"));
    await takeAlarm(middle);
    expect((await pendingJobs(middle)).map(({ kind }) => kind)).toContain("restore");
    await deliver(await jobOf(fork, "fork"));
    expect(unwrap(await sessionAt(fork).state()).status).toBe("active");
    expect(await storedText(fork)).toContain("invoice 1021");
    expect(await storedText(fork)).not.toContain(FOLDED);
    await settle(source, middle, fork);
    for (const ref of [source, middle, fork]) expect(await storedText(ref)).not.toContain(FOLDED);
  });
});

describe("promise 9: a copy confirms an erasure", () => {
  it("once its own archive has, and the source says erased no earlier", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const fork = await forkOf(source);
    await archivedWhole(fork);
    const origin = await epochOf(fork);
    expect((await archivedTexts(origin)).join()).toContain(SECRET);
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await deliver(await jobOf(source, "erase-copies"));
    expect(await jobOf(source, "erase-copies")).toBeDefined();
    await until("the source says erased", async () => {
      for (const ref of [source, fork]) await ring(ref);
      const state = unwrap(await sessionAt(source).eraseMessage("turn-3")).state;
      if (state === "erased") expect((await archivedTexts(origin)).join()).not.toContain(SECRET);
      return state === "erased";
    });
  });

  it("only for itself: the source asks each copy of the copy", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source);
    const second = await forkOf(fork);
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await deliver(await jobOf(source, "erase-copies"));
    expect(await storedText(second)).not.toContain(SECRET);
    expect(await stateOf(source, "turn-3")).toBe("erased");
  });

  it("not while the archive still has to erase it, if the copy itself was erased", async () => {
    const source = await chatOf(6);
    const fork = await forkOf(source);
    unwrap(await withoutAlarm(fork, (session) => session.erase()));
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await deliver(await jobOf(source, "erase-copies"));
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await deliver(await jobOf(fork, "erase"));
    await deliver(await jobOf(source, "erase-copies"));
    expect(await stateOf(source, "turn-3")).toBe("erased");
  });

  it("even if erased sessions are copies of each other, and neither waits for the other", async () => {
    const [a, b] = [await chatOf(6), await chatOf(6)];
    unwrap(await sessionAt(a).beginContinuation(b.session));
    unwrap(await sessionAt(b).beginContinuation(a.session));
    for (const ref of [a, b]) unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await settle(a, b);
    for (const ref of [a, b]) expect(await storedText(ref)).toBe("");
  });
});

describe("promise 9: an erasure during an import", () => {
  /** The file of a continuation, whose import has begun. */
  async function beginning(source: SessionRef) {
    const continuation = await continuationOf(source);
    const { text } = await request("GET", `/sessions/${continuation.session}/export`);
    const lines: TransferLine[] = text
      .trimEnd()
      .split("\n")
      .map((line) => transferLineSchema.parse(JSON.parse(line)));
    const copy = beside(source);
    const begun = { id: "a-file", throughLine: 1, patienceMs: 60_000 };
    const { epoch } = unwrap(await sessionAt(copy).beginImport(creationOf(copy), begun));
    const claims = lines.flatMap((line) => (line.type === "item" && line.sourceSession !== undefined ? [line] : []));
    const { answers, ...origin } = unwrap(await sessionAt(source).vouch(copy.session, claims));
    expect(answers).toContain(true);
    const saving = lines.slice(1).map((line, index) => {
      const place = line.type === "item" ? claims.indexOf(line) : -1;
      return { number: index + 2, line, vouchedBy: answers[place] === true ? origin : undefined };
    });
    const save = async () => sessionAt(copy).saveImportPage(epoch, saving, lines.length);
    return { copy, continuation, epoch, save };
  }

  it("deletes everything of the file that is stored, because it may say the erased text in other words", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const { copy, continuation, save, epoch } = await beginning(source);
    unwrap(await save());
    expect(await storedText(copy)).toContain(SECRET);
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await deliver(await jobOf(source, "erase-copies"));
    expect(await storedText(copy)).not.toContain(SECRET);
    expect(await sessionAt(copy).finishImport(epoch)).toMatchObject({ fault: { code: "session_not_found" } });
    await settle(source, copy, continuation);
    expect(await stateOf(source, "turn-3")).toBe("erased");
  });

  it("also applies to items that are still on their way", async () => {
    const source = await chatOf(12);
    await summarizeAndArchive(source);
    const { copy, continuation, save, epoch } = await beginning(source);
    expect(await stateOf(source, "turn-3")).toBe("erasing");
    await settle(source, continuation);
    expect(await stateOf(source, "turn-3")).toBe("erased");
    expect(unwrap(await save()).dropped).toBeGreaterThan(0);
    unwrap(await sessionAt(copy).finishImport(epoch));
    expect(await storedText(copy)).not.toContain(SECRET);
  });
});

describe("promise 9: erasing a log that is too large for one transaction", () => {
  const LONG = 12_000;

  /** Many short messages after the existing ones, as if they had been appended. */
  async function lengthen(ref: SessionRef): Promise<void> {
    await runInDurableObject(stubAt(ref), (_, state) => {
      state.storage.sql.exec(
        `INSERT INTO messages (seq, role, content, created_at, tokens, total_cost, total_bytes)
         SELECT seq, 'user', '"the damson jelly ' || seq || '"', 1, 0, cost + 4 * (seq - head), bytes + 30 * (seq - head)
         FROM (SELECT head, cost, bytes, head + row_number() OVER () AS seq FROM
           (SELECT max(seq) AS head, max(total_cost) AS cost, max(total_bytes) AS bytes FROM messages),
           json_each('[' || substr(replace(hex(zeroblob(${LONG})), '00', '0,'), 1, ${2 * LONG - 1}) || ']'))`,
      );
    });
    await evictDurableObject(stubAt(ref));
  }

  it("hides it at once, continues slice by slice through evictions, and is confirmed when all is overwritten", async () => {
    const source = await chatOf(2);
    await lengthen(source);
    const fork = await forkOf(source);
    unwrap(await sessionAt(fork).append({ messages: [said("only here", "own")] }, null));
    const origin = { session: source.session, epoch: await epochOf(source) };
    const first = await withoutAlarm(fork, (session) => session.eraseCopied([{ source: origin, seqs: null }]));
    expect(first.isConfirmed).toBe(false);
    expect(await storedText(fork)).toContain("damson");
    const { data } = unwrap(await sessionAt(fork).messages({ beforeSeq: LONG + 3, limit: 100 }));
    expect(data.every(({ content, erased }) => content === "" && erased === true)).toBe(true);
    expect(unwrap(await sessionAt(fork).search({ query: "damson jelly" })).data).toEqual([]);
    expect(unwrap(await sessionAt(fork).message("own")).content).toBe("only here");
    await evictDurableObject(stubAt(fork));
    await until("all is written over", async () => !(await storedText(fork)).includes("damson"));
    expect((await sessionAt(fork).eraseCopied([{ source: origin, seqs: null }])).isConfirmed).toBe(true);
    expect(unwrap(await sessionAt(fork).message("own")).content).toBe("only here");
  });
});
