import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createTicketOffice } from "../../src/access/tickets.ts";
import type { Ticket } from "../../src/api/live.ts";
import {
  askLive,
  chatOf,
  clientOf,
  creationOf,
  eventsOf,
  evictDurableObject,
  freshRef,
  type LiveClient,
  request,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  until,
  unwrap,
} from "../support/session.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

const NO_KEY = {};

async function ticketFor(ref: SessionRef, body: object = {}): Promise<string> {
  const answer = await request<Ticket>("POST", `/sessions/${ref.session}/tickets`, body);
  if (answer.status !== 201) throw new Error(answer.text);
  return answer.body.ticket;
}

async function enter(ref: SessionRef, ticket: string): Promise<LiveClient> {
  const client = clientOf(await askLive(ref, `?ticket=${ticket}`, NO_KEY));
  await client.find("hello", ({ type }) => type === "hello");
  return client;
}

const statusWith = async (ref: SessionRef, ticket: string): Promise<number> =>
  (await askLive(ref, `?ticket=${encodeURIComponent(ticket)}`, NO_KEY)).status;

describe("a ticket", () => {
  it("opens a socket once, also after an eviction, and leaves one row", async () => {
    const ref = await chatOf(1);
    const ticket = await ticketFor(ref);
    await enter(ref, ticket);
    expect(await statusWith(ref, ticket)).toBe(401);
    await evictDurableObject(stubAt(ref), { webSockets: "close" });
    expect(await statusWith(ref, ticket)).toBe(401);
    await runInDurableObject(stubAt(ref), (_, state) => {
      expect(state.storage.sql.exec("SELECT id FROM used_tickets").toArray()).toHaveLength(1);
    });
  });

  it("opens one of two sockets that use it at once", async () => {
    const ref = await chatOf(1);
    const ticket = await ticketFor(ref);
    const statuses = await Promise.all([statusWith(ref, ticket), statusWith(ref, ticket), statusWith(ref, ticket)]);
    expect(statuses.toSorted((a, b) => a - b)).toEqual([101, 401, 401]);
  });

  it("is refused if it is late, changed, invented, of another session, or of an earlier epoch of the id", async () => {
    const ref = await chatOf(1);
    const ticket = await ticketFor(ref);
    const [text = "", signature = ""] = ticket.split(".");
    const body = JSON.parse(atob(text.replaceAll("-", "+").replaceAll("_", "/")));
    const forged = btoa(JSON.stringify({ ...body, session: "other" }))
      .replaceAll("+", "-")
      .replaceAll("/", "_");
    for (const bad of [`${forged}.${signature}`, `${text}.`, `${text}.x`, text, "", ".", `${ticket}.x`, "a.b.c", "é"]) {
      expect(await statusWith(ref, bad), bad).toBe(401);
    }
    expect(await statusWith(await chatOf(1), ticket)).toBe(401);
    expect(await statusWith({ ...ref, session: "%ZZ" }, ticket)).toBe(401);
    const { tenant, owner } = ref;
    const principal = { kind: "tenant-key", id: "deployment-key", tenant, owner, scopes: ["memory:read"] } as const;
    const epoch = unwrap(await sessionAt(ref).epochForTicket());
    const early = createTicketOffice(TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY, () => Date.now() - 61_000);
    expect(await statusWith(ref, early.issue(principal, ref.session, epoch, ["memory:read"]).ticket)).toBe(401);
    unwrap(await sessionAt(ref).erase());
    unwrap(await sessionAt(ref).append({ messages: [said("anew")] }, creationOf(ref)));
    expect(await statusWith(ref, ticket)).toBe(401);
  });

  it("opens no other route", async () => {
    const ref = await chatOf(1);
    const ticket = await ticketFor(ref);
    for (const path of ["", "/messages", "/context", "/tickets", "/live/"]) {
      const url = `http://threadkeep.test/v1/sessions/${ref.session}${path}?ticket=${ticket}`;
      const answer = await exports.default.fetch(new Request(url));
      expect([401, 404], path).toContain(answer.status);
    }
    await enter(ref, ticket);
  });

  it("allows what it was issued for and no more, on a socket that outlives the object's memory", async () => {
    const ref = await chatOf(1);
    const reader = await enter(ref, await ticketFor(ref, { scopes: ["memory:read"] }));
    const writer = await enter(ref, await ticketFor(ref, { scopes: ["memory:read", "memory:write"] }));
    await evictDurableObject(stubAt(ref));
    const messages = [{ role: "user", content: "hello" }];
    reader.send({ type: "append", id: "r", messages });
    reader.send({ type: "context", id: "c" });
    writer.send({ type: "append", id: "w", messages });
    await writer.find("the answer", ({ type }) => type === "answer");
    await reader.find("the context", ({ type }) => type === "answer");
    expect(reader.frames).toContainEqual(
      expect.objectContaining({ type: "error", id: "r", error: expect.objectContaining({ code: "forbidden" }) }),
    );
    await until("the reader is told of one", async () => eventsOf(reader).length === 1);
  });

  it("is issued for nothing more than the caller may do, and only for an existing session", async () => {
    const ref = await chatOf(1);
    const path = `/sessions/${ref.session}/tickets`;
    expect(await request("POST", path, { scopes: ["memory:write"] })).toMatchObject({ status: 422 });
    expect(await request("POST", path, { scopes: ["memory:erase"] })).toMatchObject({ status: 422 });
    expect(await request("POST", path, { scopes: [] })).toMatchObject({ status: 422 });
    expect(await request("POST", path, { for: "all" })).toMatchObject({ status: 422 });
    const unknown = freshRef();
    expect(await request("POST", `/sessions/${unknown.session}/tickets`, {})).toMatchObject({ status: 404 });
    const tables = await runInDurableObject(stubAt(unknown), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(tables).toEqual([]);
  });
});
