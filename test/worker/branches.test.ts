import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import type { RenderedContext } from "../../src/api/context.ts";
import type { ServerFrame, Ticket } from "../../src/api/live.ts";
import type { MemorySearchResult } from "../../src/api/memory-search.ts";
import type { Message, NewMessage } from "../../src/api/message.ts";
import type { Page } from "../../src/api/page.ts";
import type { SearchResult } from "../../src/api/search.ts";
import type { SessionState } from "../../src/api/session.ts";
import {
  archivedWhole,
  askLive,
  beside,
  clientOf,
  continuationOf,
  creationOf,
  epochOf,
  eventsOf,
  follow,
  forkOf,
  freshRef,
  itemsOf,
  type LiveClient,
  onArchive,
  request,
  said,
  sessionAt,
  type SessionRef,
  summarizeAndArchive,
  until,
  unwrap,
} from "../support/session.ts";
import { freshTenant, userOf } from "../support/worker-user.ts";

const answer = (content: string, more: Partial<NewMessage> = {}): NewMessage => ({
  role: "assistant",
  content,
  ...more,
});

/** Where people meet, asked and answered twice: the first answer and what followed it are off the branch. */
const FIRST: NewMessage[] = [
  said("Where do we meet, at which gate?"),
  answer("We meet at the northern gate, by the fountain."),
  said("When do we meet there?"),
  answer("We meet at nine, by the northern gate."),
  said("Who comes along to the gate?"),
  answer("Mira comes along to the gate."),
  said("Is it far to the gate?"),
  answer("It is a short walk."),
];
const ANEW = answer("We meet at the southern gate, by the kiosk.", { afterSeq: 1 });

async function meeting(ref: SessionRef = freshRef(), first: readonly NewMessage[] = FIRST): Promise<SessionRef> {
  unwrap(await sessionAt(ref).append({ messages: [...first] }, creationOf(ref)));
  return ref;
}

async function meetingAnew(): Promise<SessionRef> {
  const ref = await meeting();
  unwrap(await sessionAt(ref).append({ messages: [ANEW] }, null));
  return ref;
}

const pathOf = (ref: SessionRef) => `/sessions/${ref.session}`;

async function textOf(ref: SessionRef, query = ""): Promise<string> {
  const { body } = await request<{ text: string }>("GET", `${pathOf(ref)}/context?format=text${query}`);
  return body.text;
}

async function exported(ref: SessionRef): Promise<string> {
  return (await request("GET", `${pathOf(ref)}/export`)).text;
}

describe("another answer", () => {
  it("replaces the first one in prompts and search, which stays readable and can be activated again", async () => {
    const ref = await meeting();
    const appended = await request<{ headSeq: number; context: RenderedContext }>("POST", `${pathOf(ref)}/messages`, {
      messages: [{ ...ANEW, id: "anew" }],
      context: { format: "text" },
    });
    expect(appended).toMatchObject({ status: 201, body: { headSeq: 9, messages: [{ seq: 9, created: true }] } });
    expect(JSON.stringify(appended.body.context)).toContain("southern");
    expect(JSON.stringify(appended.body.context)).not.toContain("northern");
    const context = await request("GET", `${pathOf(ref)}/context`);
    expect(context.body).toMatchObject({ headSeq: 9, omitted: [{ fromSeq: 2, throughSeq: 8, reason: "branch" }] });
    const search = { query: "gate fountain northern" };
    const found = await request<SearchResult>("POST", `${pathOf(ref)}/search`, search);
    expect(found.body.data.map(({ message }) => message.seq).toSorted()).toEqual([1, 9]);
    const queried = await request("POST", `${pathOf(ref)}/context`, { query: "northern gate", maxTokens: 256 });
    expect(queried.text).not.toContain("northern");
    const first = await request<Message>("GET", `${pathOf(ref)}/messages/seq-2`);
    expect(first.body).toMatchObject({
      offBranch: true,
      siblings: [
        { seq: 2, headSeq: 8 },
        { seq: 9, headSeq: 9 },
      ],
    });
    const shown = await request<Page<Message>>("GET", `${pathOf(ref)}/messages?branch=active`);
    expect(shown.body.data.map(({ seq, afterSeq }) => [seq, afterSeq])).toEqual([
      [1, undefined],
      [9, 1],
    ]);

    const back = await request<SessionState>("PUT", `${pathOf(ref)}/branch`, { headSeq: 8 });
    expect(back).toMatchObject({ status: 200, body: { headSeq: 8, lastSeq: 9 } });
    expect(await textOf(ref)).toContain("northern");
    expect(await textOf(ref)).not.toContain("southern");
    expect(await textOf(ref, "&atSeq=9")).toContain("southern");
    expect((await request("PUT", `${pathOf(ref)}/branch`, { headSeq: 8 })).body).toEqual(back.body);
    const ui = await request<{ messages: { metadata?: unknown }[] }>("GET", `${pathOf(ref)}/context?format=ui`);
    expect(ui.body.messages[1]?.metadata).toEqual({
      threadkeep: {
        seq: 2,
        siblings: [
          { seq: 2, headSeq: 8 },
          { seq: 9, headSeq: 9 },
        ],
      },
    });
  });

  it.each([
    ["past the log", "PUT", "/branch", { headSeq: 99 }, 422, "validation_failed"],
    ["before the first message", "PUT", "/branch", { headSeq: 0 }, 422, "validation_failed"],
    ["of another head", "PUT", "/branch", { headSeq: 2, expectedHeadSeq: 8 }, 409, "head_seq_mismatch"],
    ["after no message", "POST", "/messages", { messages: [answer("x", { afterSeq: 99 })] }, 422, "validation_failed"],
    [
      "of another head too",
      "POST",
      "/messages",
      { messages: [said("x")], expectedHeadSeq: 8 },
      409,
      "head_seq_mismatch",
    ],
  ])("is refused %s, and nothing is changed", async (_what, method, path, body, status, code) => {
    const ref = await meetingAnew();
    const before = await request("GET", pathOf(ref));
    expect(await request(method, pathOf(ref) + path, body)).toMatchObject({ status, body: { code } });
    expect((await request("GET", pathOf(ref))).body).toEqual(before.body);
  });

  it("is only for the session's owner: a stranger finds no session, and a reader may not write", async () => {
    const ref = await meetingAnew();
    expect(await request("PUT", `${pathOf(ref)}/branch`, { headSeq: 8 }, "mallory")).toMatchObject({ status: 404 });
    const reader = userOf("test", "-", {
      authenticate: async () => ({
        kind: "tenant-key",
        id: "key:r",
        tenant: "test",
        owner: "-",
        scopes: ["memory:read"],
      }),
    });
    expect(await reader.send("PUT", `${pathOf(ref)}/branch`, { headSeq: 8 })).toMatchObject({
      status: 403,
      body: { code: "forbidden" },
    });
  });
});

describe("a user", () => {
  it("edits a question and goes back, but cannot leave an instruction behind", async () => {
    const ref = { tenant: freshTenant(), owner: "ada", session: crypto.randomUUID() };
    const rule: NewMessage = { role: "system", content: "Refund nobody." };
    await meeting(ref, [rule, said("May I?"), answer("No."), { ...rule, content: "Be brief." }, said("Why?")]);
    const ada = userOf(ref.tenant, "ada");
    const append = (afterSeq: number) =>
      ada.send("POST", `${pathOf(ref)}/messages`, { messages: [{ ...said("Please?"), afterSeq }] });
    const refused = { status: 403, body: { code: "role_not_allowed", seq: 4, errors: [{ path: "/messages" }] } };
    expect(await append(0)).toMatchObject(refused);
    expect(await append(3)).toMatchObject(refused);
    expect(await append(4)).toMatchObject({ status: 201, body: { headSeq: 6 } });
    expect(await ada.send("PUT", `${pathOf(ref)}/branch`, { headSeq: 5 })).toMatchObject({ body: { headSeq: 5 } });
    expect(await ada.send("PUT", `${pathOf(ref)}/branch`, { headSeq: 3 })).toMatchObject({
      status: 403,
      body: { code: "role_not_allowed", errors: [{ path: "/headSeq" }] },
    });
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ headSeq: 5, lastSeq: 6 });
  });
});

describe("on the live feed", () => {
  async function ask(client: LiveClient, frame: { readonly id: string; readonly [name: string]: unknown }) {
    client.send(frame);
    const fits = (other: ServerFrame): boolean => "id" in other && other.id === frame.id && other.type !== "erased";
    return client.find(`the answer to ${frame.id}`, fits);
  }

  it("a branch is started and activated by frames, also with a ticket, and everybody is informed in order", async () => {
    const ref = await meeting();
    const other = await follow(ref);
    const { body } = await request<Ticket>("POST", `${pathOf(ref)}/tickets`, {
      scopes: ["memory:read", "memory:write"],
    });
    const client = clientOf(await askLive(ref, `?ticket=${body.ticket}`, {}));
    const edited = { ...said("Where, and at which gate?", "edited"), afterSeq: 0 };
    expect(await ask(client, { type: "append", id: "a", messages: [edited] })).toMatchObject({
      result: { headSeq: 9 },
    });
    expect(await ask(client, { type: "branch", id: "b", headSeq: 8 })).toMatchObject({
      type: "answer",
      result: { headSeq: 8, lastSeq: 9 },
    });
    expect(await ask(client, { type: "branch", id: "c", headSeq: 99 })).toMatchObject({
      type: "error",
      error: { code: "validation_failed" },
    });
    await until("the other one is told", async () => eventsOf(other).length === 3);
    const told = [
      { type: "branched", headSeq: 0, fromSeq: 0 },
      { type: "appended", message: { seq: 9, afterSeq: 0 } },
      { type: "branched", headSeq: 8, fromSeq: 0 },
    ];
    expect(eventsOf(other)).toMatchObject(told);
    const [first] = eventsOf(other);
    const resumed = await follow(ref, (first?.rev ?? 0) - 1);
    await until("it is told again", async () => eventsOf(resumed).length === 3);
    expect(eventsOf(resumed)).toEqual(eventsOf(other));
    const reader = await request<Ticket>("POST", `${pathOf(ref)}/tickets`, {});
    const onlooker = clientOf(await askLive(ref, `?ticket=${reader.body.ticket}`, {}));
    expect(await ask(onlooker, { type: "branch", id: "d", headSeq: 9 })).toMatchObject({
      error: { code: "forbidden" },
    });
    expect(onlooker.frames[0]).toMatchObject({ type: "hello", headSeq: 8 });
  });
});

describe("a session with branches", () => {
  it("is the same after an export and an import: seqs, summaries, and which branch is active", async () => {
    const ref = await meeting();
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).append({ messages: [{ ...ANEW, id: "anew" }, ...FIRST.slice(2)] }, null));
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).switchBranch({ headSeq: 8 }));
    await archivedWhole(ref);
    const file = await exported(ref);
    expect(file).toContain('"afterSeq":1');
    expect(file).toContain('"branchHeadSeq":8');
    const copy = beside(ref);
    expect(await request("POST", `/import?sessionId=${copy.session}`, file)).toMatchObject({
      status: 201,
      body: { messages: 15, droppedItems: 0 },
    });
    expect(await exported(copy)).toBe(file.replace(ref.session, copy.session));
    expect(await itemsOf(copy)).toEqual(await itemsOf(ref));
    expect(await textOf(copy)).toBe(await textOf(ref));
    await archivedWhole(copy);
    const again = unwrap(await sessionAt(copy).append({ messages: [{ ...ANEW, id: "anew" }] }, null));
    expect(again).toMatchObject({ headSeq: 8, messages: [{ seq: 9, created: false }] });
  });

  it("is the same even if only its summary was once of a shorter branch", async () => {
    const ref = await meeting();
    unwrap(await sessionAt(ref).append({ messages: FIRST }, null));
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).switchBranch({ headSeq: 8 }));
    await summarizeAndArchive(ref);
    const files = [await exported(ref)];
    unwrap(await sessionAt(ref).switchBranch({ headSeq: 16 }));
    unwrap(await sessionAt(ref).append({ messages: [answer("And the kiosk closes at nine.")] }, null));
    await summarizeAndArchive(ref);
    files.push(await exported(ref));
    const covered = files.map((file) => file.match(/(?<="throughSeq":)\d+/g));
    expect(covered).toEqual([
      ["12", "0", "4"],
      ["12", "0", "4", "12", "13"],
    ]);
    expect(files.map((file) => file.includes("branchHeadSeq"))).toEqual([true, false]);
    for (const file of files) {
      const copy = beside(ref);
      expect(await request("POST", `/import?sessionId=${copy.session}`, file)).toMatchObject({ status: 201 });
      expect(await exported(copy)).toBe(file.replace(ref.session, copy.session));
    }
  });

  it.each([
    ["a message that follows itself", '"afterSeq":1', '"afterSeq":9', "line 10"],
    ["a branch that ends past the log", '"branchHeadSeq":8', '"branchHeadSeq":800', "line"],
  ])("is not imported with %s", async (_what, good, bad, where) => {
    const ref = await meetingAnew();
    unwrap(await sessionAt(ref).switchBranch({ headSeq: 8 }));
    const file = (await exported(ref)).replace(good, bad);
    const copy = beside(ref);
    const refused = await request("POST", `/import?sessionId=${copy.session}`, file);
    expect(refused).toMatchObject({ status: 422, body: { code: "validation_failed" } });
    expect(refused.text).toContain(where);
    expect(await sessionAt(copy).state()).toMatchObject({ ok: false });
  });

  it("is forked up to a message of any branch, which is then the fork's active branch", async () => {
    const ref = await meetingAnew();
    const fork = await forkOf(ref);
    expect(await textOf(fork)).toBe(await textOf(ref));
    const back = await forkOf(ref, { throughSeq: 8 });
    expect(await textOf(back)).toBe(await textOf(ref, "&atSeq=8"));
    expect(unwrap(await sessionAt(back).state())).toMatchObject({ headSeq: 8, lastSeq: 8 });
    unwrap(await sessionAt(ref).eraseMessage("seq-2"));
    await until("it is erased along", async () => unwrap(await sessionAt(fork).message("seq-2")).erased === true);
  });

  it("archives the summary of its active branch, and only that one is found by a search across sessions", async () => {
    const ref = await meeting(freshRef(crypto.randomUUID()));
    await summarizeAndArchive(ref);
    const across = async (): Promise<string> => {
      const asked = { query: "northern southern gate fountain kiosk" };
      const { body } = await request<MemorySearchResult>("POST", "/search", asked, ref.owner);
      return body.data.map(({ item }) => item.text).join("\n");
    };
    expect(await across()).toContain("northern");
    unwrap(await sessionAt(ref).append({ messages: [ANEW, ...FIRST.slice(4), ...FIRST.slice(4)] }, null));
    // Also before the archive has been updated.
    expect(await across()).not.toContain("northern");
    await summarizeAndArchive(ref);
    expect(await across()).toContain("southern");
    expect(await across()).not.toContain("northern");
    unwrap(await sessionAt(ref).switchBranch({ headSeq: 8 }));
    expect(await across()).not.toContain("southern");
    await archivedWhole(ref);
    expect(await across()).toContain("northern");
    expect(
      unwrap(await sessionAt(ref).summaries(undefined, 10)).data.map(({ summarizer }) => summarizer),
    ).not.toContain("");
  });

  it("is continued with the items of its active branch's summary", async () => {
    const ref = await meeting();
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).append({ messages: [ANEW, ...FIRST.slice(4), ...FIRST.slice(4)] }, null));
    const copy = await continuationOf(ref);
    const texts = (await itemsOf(copy)).map(({ text }) => text).join("\n");
    expect(texts).toContain("southern");
    expect(texts).not.toContain("northern");
  });

  it("has its messages in the archive with the messages that they follow, and nothing of one that is erased off the branch", async () => {
    const ref = freshRef();
    unwrap(await sessionAt(ref).append({ messages: FIRST }, creationOf(ref, { archiveMessages: true })));
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).append({ messages: [ANEW, ...FIRST.slice(4)] }, null));
    await summarizeAndArchive(ref);
    unwrap(await sessionAt(ref).eraseMessage("seq-2"));
    await until("it is erased", async () => unwrap(await sessionAt(ref).eraseMessage("seq-2")).state === "erased");
    const epoch = await epochOf(ref);
    const held = await onArchive(async (database) => {
      const { rows } = await database.execute(
        sql`select seq, after_seq, content::text as content from messages where epoch = ${epoch} order by seq`,
      );
      const items = await database.execute(sql`select text from summary_items where epoch = ${epoch}`);
      return { rows, texts: JSON.stringify([rows, items.rows]) };
    });
    expect(held.rows.filter((row) => row["after_seq"] !== null)).toMatchObject([{ seq: 9, after_seq: 1 }]);
    expect(held.rows[1]).toMatchObject({ seq: 2, content: null });
    expect(held.texts).not.toContain("fountain");
    expect(held.texts).toContain("kiosk");
  });
});
