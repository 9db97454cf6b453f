import { describe, expect, it } from "vitest";
import type { SessionState } from "../../src/api/session.ts";
import {
  archivedTexts,
  archivedWhole,
  beside,
  creationOf,
  epochOf,
  freshRef,
  itemsOf,
  pendingJobs,
  request,
  ring,
  said,
  sessionAt,
  type SessionRef,
  storedText,
  summarizeBy,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

/** This many messages stay verbatim, whatever the settings are. */
const RECENT = ["One.", "Two.", "Three.", "Four."];

/** A user's chat whose summary repeats each message, and adds something to the first that a model may make up. */
async function chat(owner: string, texts: readonly string[], folded = ""): Promise<SessionRef> {
  const ref = freshRef(owner);
  const messages = [...texts, ...RECENT].map((text, index) => said(text, `m${index + 1}`));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
  await summarizeBy(ref, ({ messages: given }) => ({
    model: "test",
    items: given.map(({ seq, text }) => ({
      kind: text.startsWith("Shall") ? ("question" as const) : ("preference" as const),
      text: seq === 1 ? `${text} ${folded}`.trim() : text,
      sourceSeqs: [seq],
      status: text.startsWith("Once") ? ("superseded" as const) : ("current" as const),
    })),
  }));
  await ring(ref);
  await archivedWhole(ref);
  return ref;
}

/** A new session of the user, once it has its carried items. */
async function seeded(owner: string): Promise<SessionRef> {
  const made = await request<SessionState>("POST", "/sessions", { seedFromUser: true }, owner);
  expect(made.status).toBe(201);
  const ref = { ...beside(freshRef(owner)), session: made.body.id };
  await until(
    "what it begins with arrives",
    async () => !(await pendingJobs(ref)).some(({ kind }) => kind === "restore"),
  );
  return ref;
}

async function textsOf(ref: SessionRef): Promise<string[]> {
  return (await itemsOf(ref)).map(({ text }) => text).toSorted();
}

describe("a session that is seeded from its user's sessions", () => {
  it("has the current facts and preferences of all of their sessions, each with where it was said, and nobody else's", async () => {
    const owner = crypto.randomUUID();
    const one = await chat(owner, ["Mira eats no meat.", "Shall the train be booked?", "Once Mira ate meat."]);
    const two = await chat(owner, ["Mira plays the cello."]);
    await chat(crypto.randomUUID(), ["Jonas eats no fish."]);
    const items = await itemsOf(await seeded(owner));
    expect(items.map(({ text, sourceSession, sourceSeqs }) => ({ text, sourceSession, sourceSeqs }))).toHaveLength(2);
    expect(items).toContainEqual(
      expect.objectContaining({ text: "Mira eats no meat.", sourceSession: one.session, sourceSeqs: [1] }),
    );
    expect(items).toContainEqual(
      expect.objectContaining({ text: "Mira plays the cello.", sourceSession: two.session, sourceSeqs: [1] }),
    );
  });

  it("is only for a user, and cannot be combined with continueFrom", async () => {
    expect(await request("POST", "/sessions", { seedFromUser: true })).toMatchObject({
      status: 422,
      body: { errors: [{ path: "/seedFromUser" }] },
    });
    const both = { seedFromUser: true, continueFrom: "another" };
    expect(await request("POST", "/sessions", both, "mira")).toMatchObject({ status: 422 });
  });

  it("starts empty if nothing is known", async () => {
    const ref = await seeded(crypto.randomUUID());
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ headSeq: 0, summary: null, origin: null });
  });

  it("loses everything from a session when a message there is erased, because other items may say it in other words", async () => {
    const owner = crypto.randomUUID();
    const one = await chat(owner, ["Mira eats no meat at lunch.", "Her password is mandrake."], "Mandrake.");
    await chat(owner, ["Mira plays the cello."]);
    const ref = await seeded(owner);
    await archivedWhole(ref);
    expect(await storedText(ref)).toMatch(/Mandrake/);
    unwrap(await sessionAt(one).eraseMessage("m2"));
    await until("the new session notes the erasure", async () => !/mandrake/i.test(await storedText(ref)));
    expect(await textsOf(ref)).toEqual(["Mira plays the cello."]);
    await until("the archive is up to date", async () => unwrap(await sessionAt(ref).state()).archived);
    expect(await archivedTexts(await epochOf(ref))).toEqual(["Mira plays the cello."]);
  });

  it("loses what came from a session that is erased, and keeps what was said in it since", async () => {
    const owner = crypto.randomUUID();
    const one = await chat(owner, ["Mira eats no meat."]);
    const ref = await seeded(owner);
    unwrap(await sessionAt(ref).append({ messages: [said("Book the table.", "a")] }, null));
    unwrap(await withoutAlarm(one, (session) => session.erase()));
    await ring(one);
    await until("the new session notes the erasure", async () => (await textsOf(ref)).length === 0);
    expect(await storedText(ref)).not.toContain("eats no meat");
    expect(unwrap(await sessionAt(ref).messages({ limit: 10 })).data).toHaveLength(1);
  });
});
