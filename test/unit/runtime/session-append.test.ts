import { describe, expect, it } from "vitest";
import type { AppendRequest } from "../../../src/api/append.ts";
import { MAX_BYTES_PER_SESSION, MAX_MESSAGES_PER_SESSION } from "../../../src/api/limits.ts";
import type { NewMessage } from "../../../src/api/message.ts";
import type { SessionLimits } from "../../../src/api/quota.ts";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { fullFault, seqOfServerId } from "../../../src/session/log/append.ts";
import { askToCreate } from "../../../src/session/log/begin.ts";
import type { Unit } from "../../../src/session/unit.ts";
import { NodeSession, NOON } from "./node-session.ts";
import { standIn } from "./stand-in.ts";

const said = (id: string, content = "hello"): NewMessage => ({ id, role: "user", content });

describe("a session", () => {
  it.each([
    ["all the messages it may", MAX_MESSAGES_PER_SESSION, 1, undefined],
    ["all the bytes it may", 1, MAX_BYTES_PER_SESSION, undefined],
    ["one message more", MAX_MESSAGES_PER_SESSION + 1, 1, "session_full"],
    ["one byte more", 1, MAX_BYTES_PER_SESSION + 1, "session_full"],
  ])("with %s: %i messages, %i bytes give %s", (_, messages, bytes, code) => {
    expect(fullFault(messages, bytes)?.code).toBe(code);
  });

  it("distinguishes its own ids from a client's", () => {
    expect(["seq-1", "seq-100", "seq-0", "seq-01", "seq-", "Seq-1", "seq-1 "].map(seqOfServerId)).toEqual([
      1,
      100,
      null,
      null,
      null,
      null,
      null,
    ]);
  });
});

describe("an append", () => {
  it("that is repeated is answered as before, even if the head that it expects has moved on", () => {
    const session = new NodeSession();
    expect(session.append([said("a")], NOON, 0)).toMatchObject({ ok: true, value: { headSeq: 1, createdCount: 1 } });
    expect(session.append([said("a")], NOON, 0)).toMatchObject({
      ok: true,
      value: { messages: [{ id: "a", seq: 1, created: false }], headSeq: 1, createdCount: 0 },
    });
    expect(session.append([said("b")], NOON, 0)).toMatchObject({
      ok: false,
      fault: { code: "head_seq_mismatch", facts: { headSeq: 1 } },
    });
    expect(session.append([said("a"), said("b")], NOON, 1)).toMatchObject({ ok: true, value: { headSeq: 2 } });
  });

  it.each([
    ["other words", { content: "other" }],
    ["another role", { role: "assistant" as const }],
    ["an author", { author: "Ada" }],
    ["another time", { occurredAt: "2026-11-22T10:00:00Z" }],
  ])("with an existing id conflicts with %s, and not with its own content", (_, change) => {
    const session = new NodeSession();
    session.append([said("a")]);
    expect(session.append([{ ...said("a"), ...change }])).toMatchObject({
      ok: false,
      fault: { code: "message_conflict" },
    });
    expect(session.append([said("a")]).ok).toBe(true);
  });

  it("is compared by its content, whatever the order of its properties", () => {
    const session = new NodeSession();
    const call = (input: Record<string, string>): NewMessage => ({
      id: "a",
      role: "assistant",
      content: [{ type: "tool-call", toolCallId: "c", toolName: "t", input }],
    });
    session.append([call({ one: "1", two: "2" })]);
    expect(session.append([call({ two: "2", one: "1" })]).ok).toBe(true);
    expect(session.append([call({ two: "1", one: "2" })]).ok).toBe(false);
  });

  it('of an erased message, by its id or the server\'s, is answered with "erased"', () => {
    const session = new NodeSession();
    session.append([said("a"), "b"]);
    for (const id of ["a", "seq-2"]) eraseMessage(session.unit(), id);
    expect(session.append([said("a"), said("seq-2", "b")])).toMatchObject({
      ok: true,
      value: {
        messages: [
          { id: "a", seq: 1, created: false, erased: true },
          { id: "seq-2", seq: 2, created: false, erased: true },
        ],
        createdCount: 0,
      },
    });
  });

  it("may use the next of the server's ids, and no other", () => {
    const session = new NodeSession();
    expect(session.append([said("seq-2")])).toMatchObject({ ok: false, fault: { code: "validation_failed" } });
    expect(session.append([said("seq-1"), said("seq-2")]).ok).toBe(true);
  });

  it("that creates a session is checked against the limits of the session and of its tenant", async () => {
    const tenantFull = { code: "quota_exceeded", detail: "the tenant's" } as const;
    const granted = { createdAt: NOON, grantedAt: NOON, isKnown: false };
    const directory = { register: async () => granted, renew: async () => undefined };
    const ask = (request: AppendRequest, limits?: SessionLimits) => {
      const tenant = limits === undefined ? undefined : { limits };
      const unit = standIn<Unit>({ tenant, quotas: { tenant: { faultOf: () => tenantFull } }, now: NOON });
      const creation = { ref: { tenant: "acme", owner: "ada", session: "chat" }, createdAt: NOON };
      return askToCreate(unit, directory, { request, creation, by: undefined });
    };
    const two = { messages: [said("a"), said("b")] };
    expect(await ask(two, { sessionMessagesPerDay: 1 })).toMatchObject({ fault: { quota: { name: "messages" } } });
    expect(await ask(two, { sessionMessagesPerDay: 2 })).toEqual({ ok: false, fault: tenantFull });
    expect(await ask(two)).toMatchObject({ ok: true, value: granted });
    expect(await ask({ ...two, expectedHeadSeq: 1 })).toMatchObject({ fault: { code: "head_seq_mismatch" } });
  });
});
