import { exports } from "cloudflare:workers";
import { beforeAll, describe, expect, it } from "vitest";
import { Threadkeep } from "../../src/worker.ts";
import { emptyTransfer } from "../support/empty-transfer.ts";
import { creationOf, freshRef, listed, sessionAt, storedText, turn, unwrap } from "../support/session.ts";

const ALL_SCOPES = ["memory:read", "memory:write", "memory:erase"] as const;
type Scope = (typeof ALL_SCOPES)[number];

interface Method {
  /** All of these scopes are needed. */
  readonly scopes: readonly Scope[];
  /** Undefined: the method is about no session, or creates one of the caller's own. */
  readonly isAboutSession: boolean;
  args(session: string): unknown[];
}

const about = (scopes: readonly Scope[], ...more: unknown[]): Method => ({
  scopes,
  isAboutSession: true,
  args: (session) => [session, ...more],
});
const own = (scopes: readonly Scope[], args: (session: string) => unknown[]): Method => ({
  scopes,
  isAboutSession: false,
  args,
});

const READ = ["memory:read"] as const;
const WRITE = ["memory:write"] as const;
const ERASE = ["memory:erase"] as const;

/** Arguments with which each method would do something. A method that is missing here fails the first test. */
const METHODS: Readonly<Record<string, Method>> = {
  create: own(WRITE, (id) => [{ id }]),
  sessions: own(READ, () => []),
  state: about(READ),
  update: about(WRITE, { metadata: { a: "b" } }),
  delete: about(ERASE),
  fork: about(["memory:read", "memory:write"]),
  branch: about(WRITE, { headSeq: 1 }),
  append: own(WRITE, (id) => [id, { messages: [{ id: "turn-1", role: "user", content: "Not the same." }] }]),
  messages: about(READ),
  message: about(READ, "turn-1"),
  edit: about(WRITE, "turn-1", { content: "Not the same." }),
  erase: about(ERASE, "turn-1"),
  context: about(READ),
  search: about(READ, { query: "turn" }),
  searchMemory: own(READ, () => [{ query: "turn" }]),
  summaries: about(READ),
  summary: about(READ, 1),
  summaryChanges: about(READ, 1),
  losses: about(READ, 1),
  restoreSummary: about(WRITE, 1),
  summarize: about(WRITE),
  export: about(READ),
  import: own(WRITE, (id) => [new Blob([emptyTransfer(id)]).stream()]),
  beginImport: own(WRITE, (id) => [id, { session: JSON.parse(emptyTransfer(id).split("\n")[0] ?? "") }]),
  importLines: {
    ...about(WRITE),
    args: (id) => [id, "an-import", new Blob([emptyTransfer(id)]).stream(), { afterLine: 1 }],
  },
  importState: about(WRITE, "an-import"),
  completeImport: about(WRITE, "an-import"),
  abandonImport: about(WRITE, "an-import"),
  exportUser: own(READ, () => ["somebody-else"]),
  eraseUser: own(ERASE, () => ["somebody-else"]),
  userErasure: own(ERASE, () => ["somebody-else"]),
};

interface Refusal {
  readonly code: string;
  readonly status: number;
  readonly detail: string;
}

/** The result for a Worker that is bound with these props: the refusal, or null. */
async function refusalOf(props: unknown, method: string, args: unknown[]): Promise<Refusal | null> {
  const binding = exports.Threadkeep({ props });
  try {
    await Reflect.apply(Reflect.get(binding, method), binding, args);
    return null;
  } catch (error) {
    const { code, status, detail } = error as Refusal;
    return { code, status, detail };
  }
}

const known = freshRef("ada");
const { tenant, session } = known;
let before = "";

beforeAll(async () => {
  unwrap(await sessionAt(known).append({ messages: [turn(1), turn(2)] }, creationOf(known)));
  before = await storedText(known);
});

describe("promise 11: every method of the service binding", () => {
  it("is listed in this test", () => {
    const base = Object.getPrototypeOf(Threadkeep.prototype);
    const names = Object.getOwnPropertyNames(base).filter((name) => name !== "constructor");
    expect(names.toSorted()).toEqual(Object.keys(METHODS).toSorted());
  });

  it.each(Object.entries(METHODS))(
    "%s refuses a binding without props, and one that lacks a scope",
    async (name, method) => {
      const args = (): unknown[] => method.args(session);
      for (const props of [
        undefined,
        {},
        { tenant },
        { tenant: "a/b", scopes: ALL_SCOPES },
        { tenant, scopes: ["admin"] },
      ]) {
        expect(await refusalOf(props, name, args()), JSON.stringify(props)).toMatchObject({ code: "unauthenticated" });
      }
      for (const scope of method.scopes) {
        const props = { tenant, owner: known.owner, scopes: ALL_SCOPES.filter((other) => other !== scope) };
        expect(await refusalOf(props, name, args()), scope).toMatchObject({ code: "forbidden", status: 403 });
      }
      expect(await storedText(known)).toBe(before);
    },
  );

  it.each(Object.entries(METHODS))(
    "%s tells another tenant and another user nothing, and leaves no row",
    async (name, method) => {
      const strangers = [
        { tenant: `t-${crypto.randomUUID()}`, owner: known.owner },
        { tenant, owner: `mallory-${crypto.randomUUID()}` },
      ];
      for (const stranger of strangers) {
        const props = { ...stranger, scopes: ALL_SCOPES };
        const there = await refusalOf(props, name, method.args(session));
        const nowhere = await refusalOf(props, name, method.args(`nowhere-${crypto.randomUUID()}`));
        expect(there).toEqual(nowhere);
        expect(await storedText(known)).toBe(before);
        if (!method.isAboutSession) continue;
        expect(there).toMatchObject({ code: "session_not_found", status: 404 });
        expect(await storedText({ ...stranger, session })).toBe("");
        expect(await listed({ ...stranger, session })).toEqual(new Map());
      }
    },
  );
});
