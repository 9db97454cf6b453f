import { afterEach, describe, expect, it } from "vitest";
import type { AppendResult } from "../../src/api/append.ts";
import { chatOf, failStatements, follow, said, sessionAt, type SessionRef, unwrap } from "../support/session.ts";
import { send } from "../support/worker-http.ts";

/** Only the search index reads these rows. */
const SEARCH = /search_/;
/** Only a context reads these messages from the newest backwards. */
const CONTEXT = /AS bytes FROM messages WHERE seq <= \? AND seq >= \? ORDER BY seq DESC/;

const repairs: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const repair of repairs.splice(0)) await repair();
});

async function chatThatFails(pattern: RegExp): Promise<SessionRef> {
  const ref = await chatOf(12);
  unwrap(await sessionAt(ref).search({ query: "invoice" }));
  repairs.push(await failStatements(ref, pattern));
  return ref;
}

const pathOf = ({ session }: SessionRef, rest: string): string => `/v1/sessions/${session}/${rest}`;

describe("an append whose context cannot be made", () => {
  it("stores its messages, and says over HTTP what happened to the context", async () => {
    const ref = await chatThatFails(CONTEXT);
    const body = { messages: [said("Where is crate 7?", "asked")], context: { format: "openai-chat" } };
    const answer = await send<AppendResult>("POST", pathOf(ref, "messages"), body);
    expect(answer).toMatchObject({ status: 201, body: { messages: [{ id: "asked", seq: 13, created: true }] } });
    expect(answer.body).not.toHaveProperty("context");
    expect(answer.body.contextError).toMatchObject({ code: "internal" });
    expect(answer.body.contextError?.detail).toContain("are stored");
    // It is repeated, as by a client that lost the answer: nothing is stored twice.
    expect(await send("POST", pathOf(ref, "messages"), body)).toMatchObject({
      status: 200,
      body: { messages: [{ seq: 13, created: false }], contextError: { code: "internal" } },
    });
    expect(await send("GET", pathOf(ref, "messages/asked"))).toMatchObject({
      status: 200,
      body: { content: "Where is crate 7?" },
    });
  });

  it("says so on a socket as well, and has reported its messages on the feed", async () => {
    const ref = await chatThatFails(CONTEXT);
    const client = await follow(ref);
    client.send({ type: "append", id: "f1", messages: [said("by socket", "s1")], context: { query: "auto" } });
    const answer = await client.find("the answer", ({ type }) => type === "answer" || type === "error");
    expect(answer).toMatchObject({ type: "answer", result: { headSeq: 13, contextError: { code: "internal" } } });
    await client.find("the event", (frame) => frame.type === "appended" && frame.message.seq === 13);
  });
});

describe("a context whose older messages cannot be searched", () => {
  it("is made without them and names the fault, with an append and by itself, in every format", async () => {
    const ref = await chatThatFails(SEARCH);
    const appended = unwrap(
      await sessionAt(ref).append({ messages: [said("What of the invoice?", "q")], context: { query: "auto" } }, null),
    );
    expect(appended).not.toHaveProperty("contextError");
    expect(appended).toMatchObject({
      headSeq: 13,
      context: { headSeq: 13, retrieved: [], omitted: [], retrievalError: { code: "internal" } },
    });
    const context = unwrap(await sessionAt(ref).context({ query: "invoice 1003", format: "text" }));
    expect(context).toMatchObject({ meta: { headSeq: 13, retrievalError: { code: "internal" } } });
  });

  it("names no fault if all is well", async () => {
    const ref = await chatOf(12);
    const context = unwrap(await sessionAt(ref).context({ query: "invoice 1003" }));
    expect(context).not.toHaveProperty("retrievalError");
  });
});
