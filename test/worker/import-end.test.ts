import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { listed, ring, sessionAt, type SessionRef, until, unwrap } from "../support/session.ts";
import { endOf, messageLine, sessionLine } from "../support/transfer-file.ts";
import { appWith } from "../support/worker-app.ts";
import { freshTenant } from "../support/worker-user.ts";

const principalOf = ({ tenant, owner }: SessionRef) =>
  ({ kind: "tenant-key", id: "key", tenant, owner, scopes: ["memory:read", "memory:write", "memory:erase"] }) as const;

/** Counts the calls of objects, and fails one of them: either before it arrives, or after it, so that its answer is lost. */
function breakingAt(call: number, isAfter: boolean) {
  let calls = 0;
  const wrap = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(object, name) {
        const method: unknown = Reflect.get(object, name);
        if (typeof method !== "function") return method;
        return async (...given: unknown[]) => {
          calls += 1;
          const isBroken = calls === call;
          if (isBroken && !isAfter) throw new Error("Network connection lost.");
          const answer: unknown = await Reflect.apply(method, object, given);
          if (isBroken) throw new Error("Network connection lost.");
          return answer;
        };
      },
    });
  const sessions = createSessionClient(env.CHAT_SESSION);
  return {
    parts: {
      directory: wrap(createDirectoryClient(env.DIRECTORY)),
      sessions: { get: (ref: SessionRef) => wrap(sessions.get(ref)) },
    },
    calls: () => calls,
  };
}

/** An import with all its lines, and a way to complete it. */
async function filled(ref: SessionRef, messages = 4) {
  const base = `http://threadkeep.test/v1/sessions/${ref.session}`;
  const send = (parts: object, method: string, path: string, body?: string, type = "application/json") =>
    appWith({ authenticate: async () => principalOf(ref) }, parts).request(base + path, {
      method,
      ...(body === undefined ? {} : { body, headers: { "Content-Type": type } }),
    });
  const begun = await send(
    {},
    "POST",
    "/imports",
    JSON.stringify({ id: "one", session: sessionLine({ metadata: { topic: "boats" } }) }),
  );
  expect(begun.status).toBe(202);
  const lines = Array.from({ length: messages }, (_, at) => messageLine(at + 1, `Message ${at + 1}.`));
  const text = [...lines, endOf(lines)].map((line) => `${JSON.stringify(line)}\n`).join("");
  expect((await send({}, "POST", "/imports/one/lines?afterLine=1", text, "application/jsonl")).status).toBe(200);
  return {
    complete: async (parts: object = {}) => (await send(parts, "POST", "/imports/one/complete")).status,
    abandon: async () => (await send({}, "DELETE", "/imports/one")).status,
    update: async (patch: object) => (await send({}, "PATCH", "", JSON.stringify(patch))).status,
  };
}

const freshRefOf = (): SessionRef => ({ tenant: "test", owner: `u-${crypto.randomUUID()}`, session: "chat" });

async function isListed(ref: SessionRef): Promise<boolean> {
  return (await listed(ref)).has(ref.session);
}

/** Its calls in order: where it stands, whether it may end, the list, the end. */
const CALLS = 4;
const BREAKS = Array.from({ length: CALLS }, (_, at) => [at + 1, false] as const).flatMap(([call]) => [
  [call, false] as const,
  [call, true] as const,
]);

describe("completing an import", () => {
  it("makes a known number of calls of objects", async () => {
    const { parts, calls } = breakingAt(0, false);
    const { complete } = await filled(freshRefOf());
    expect(await complete(parts)).toBe(201);
    expect(calls()).toBe(CALLS);
    // A repetition only reads the result, and leaves the list alone.
    expect(await complete(parts)).toBe(201);
    expect(calls()).toBe(CALLS + 1);
  });

  it.each(BREAKS)(
    "that breaks off at call %i (its answer lost: %s) is finished by a repetition",
    async (call, isAfter) => {
      const ref = freshRefOf();
      const parts = await filled(ref);
      expect(await parts.complete(breakingAt(call, isAfter).parts)).toBe(500);
      expect(await parts.complete()).toBe(201);
      expect(await parts.complete()).toBe(201);
      expect(unwrap(await sessionAt(ref).state())).toMatchObject({ headSeq: 4, status: "active" });
      expect((await listed(ref)).get(ref.session)).toMatchObject({ metadata: { topic: "boats" } });
    },
  );

  it.each(BREAKS)("that breaks off at call %i (its answer lost: %s) can be given up", async (call, isAfter) => {
    const ref = freshRefOf();
    const parts = await filled(ref);
    expect(await parts.complete(breakingAt(call, isAfter).parts)).toBe(500);
    // If only the last answer was lost, the session exists, and is removed by erasing it.
    const isWhole = call === CALLS && isAfter;
    expect(await parts.abandon()).toBe(isWhole ? 409 : 200);
    if (isWhole) return;
    expect((await sessionAt(ref).state()).ok).toBe(false);
    await until("no list shows it", async () => !(await isListed(ref)));
    await until("nothing is left of it", async () => (await sessionAt(ref).remains()) === "nothing");
    expect(await isListed(ref)).toBe(false);
  });

  it("that a full day refuses at the last moment leaves the import open and unlisted, and succeeds once there is room", async () => {
    const ref = { ...freshRefOf(), tenant: freshTenant() };
    const parts = await filled(ref);
    const sessions = createSessionClient(env.CHAT_SESSION);
    const fault = { code: "quota_exceeded", detail: "The day is full.", retryAfterSeconds: 60 } as const;
    const full = {
      get: (of: SessionRef) =>
        new Proxy(sessions.get(of), {
          get: (object, name) =>
            name === "finishImport" ? async () => ({ ok: false, fault }) : Reflect.get(object, name),
        }),
    };
    expect(await parts.complete({ sessions: full })).toBe(429);
    expect(await isListed(ref)).toBe(false);
    expect((await sessionAt(ref).readImport("one")).ok).toBe(true);
    expect(await parts.complete()).toBe(201);
    expect(await isListed(ref)).toBe(true);
    expect((await listed(ref)).get(ref.session)).toMatchObject({ metadata: { topic: "boats" } });
  });

  it("that another request overtakes leaves the list the metadata that a client has given the session since", async () => {
    const ref = freshRefOf();
    const parts = await filled(ref);
    const sessions = createSessionClient(env.CHAT_SESSION);
    const metadata = { topic: "islands" };
    const overtake = async (): Promise<void> => {
      expect(await parts.complete()).toBe(201);
      expect(await parts.update({ metadata })).toBe(200);
    };
    const overtaken = {
      get: (of: SessionRef) =>
        new Proxy(sessions.get(of), {
          get: (object, name) =>
            name === "checkImport"
              ? async (epoch: string) => {
                  await overtake();
                  return object.checkImport(epoch);
                }
              : Reflect.get(object, name),
        }),
    };
    expect(await parts.complete({ sessions: overtaken })).toBe(201);
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ metadata });
    expect((await listed(ref)).get(ref.session)).toMatchObject({ metadata });
  });

  it("that nobody repeats is given up by the alarm, and the entry of a broken end is removed from the list", async () => {
    const ref = freshRefOf();
    const parts = await filled(ref);
    expect(await parts.complete(breakingAt(3, true).parts)).toBe(500);
    await ring(ref);
    expect(await parts.abandon()).toBe(200);
    await until("no list shows it", async () => !(await isListed(ref)));
  });

  it("that is given up leaves the list the session that another request was granted before, and creates afterwards", async () => {
    const ref = freshRefOf();
    const createdAt = Date.now();
    const grant = await createDirectoryClient(env.DIRECTORY).register(ref, createdAt, {});
    const parts = await filled(ref);
    expect(await parts.abandon()).toBe(200);
    unwrap(await sessionAt(ref).create({ ref, ...grant, createdAt }));
    await until("the list shows it", async () => {
      await ring(ref);
      return isListed(ref);
    });
    expect((await sessionAt(ref).state()).ok).toBe(true);
  });
});
