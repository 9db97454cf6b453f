import { beforeEach, describe, expect, test } from "vitest";
import {
  createAdmission,
  createRequestLimit,
  type Limiter,
  type Limiters,
  type LimitRequests,
  RATE_LIMIT_PERIOD_SECONDS,
  rateLimited,
} from "../../src/access/rate-limit.ts";
import { limitUnauthenticated, networkOf } from "../../src/access/unauthenticated-limit.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import type { Principal } from "../../src/api/principal.ts";
import { createLog } from "../../src/telemetry/log.ts";

let events: string[];
const log = createLog({ write: (_level, line) => events.push(JSON.parse(line).event) });

beforeEach(() => {
  events = [];
});

/** Lets this many requests pass for each key, and never resets. */
function counting(limit: number): Limiter & { readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  return {
    counts,
    async limit({ key }) {
      const count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count);
      return { success: count <= limit };
    },
  };
}

function limiters(change: Partial<Limiters> = {}): Limiters {
  return {
    user: counting(5),
    key: counting(50),
    keyHigh: counting(500),
    tenant: counting(20),
    tenantHigh: counting(200),
    unauthenticated: counting(3),
    ...change,
  };
}

const someone = (user: string, tenant = "acme"): Principal => ({
  kind: "user",
  id: `user:${user}`,
  tenant,
  owner: user,
  scopes: ["memory:read"],
});
const backEnd: Principal = { kind: "tenant-key", id: "deployment-key", tenant: "acme", owner: "-", scopes: [] };

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "passed",
    (error: unknown) => (error instanceof ThreadkeepError ? error.fault.code : String(error)),
  );
}

async function passes(limit: LimitRequests, principal: Principal, count: number): Promise<number> {
  const codes = await Promise.all(Array.from({ length: count }, () => codeOf(limit(principal))));
  return codes.filter((code) => code === "passed").length;
}

describe("the limit of requests", () => {
  test("is a user's own: one user's excess is refused, and another user is not affected", async () => {
    const limit = createRequestLimit(createAdmission(limiters(), log));
    expect(await passes(limit, someone("mallory"), 100)).toBe(5);
    expect(await passes(limit, someone("ada"), 5)).toBe(5);
  });

  test("is a user's own in each tenant: two users of one name share nothing", async () => {
    const limit = createRequestLimit(createAdmission(limiters(), log));
    expect(await passes(limit, someone("ada", "acme"), 5)).toBe(5);
    expect(await passes(limit, someone("ada", "other"), 5)).toBe(5);
  });

  test("is higher for a key, which acts for many users", async () => {
    const limit = createRequestLimit(createAdmission(limiters({ tenant: counting(1_000) }), log));
    expect(await passes(limit, backEnd, 100)).toBe(50);
  });

  test("of a key and of a tenant depends on the tenant's tier; a user's own does not", async () => {
    const isHigh = async (tenant: string): Promise<boolean> => tenant === "acme";
    const limit = createRequestLimit(createAdmission(limiters(), log), isHigh);
    expect(await passes(limit, backEnd, 1_000)).toBe(200);
    expect(await passes(limit, { ...backEnd, tenant: "other" }, 1_000)).toBe(20);
    expect(await passes(createRequestLimit(createAdmission(limiters(), log), isHigh), someone("ada"), 100)).toBe(5);
  });

  test("is shared by the users of a tenant, and not used up by what was refused to one of them", async () => {
    const limit = createRequestLimit(createAdmission(limiters(), log));
    expect(await passes(limit, someone("mallory"), 1_000)).toBe(5);
    for (const user of ["a", "b", "c"]) expect(await passes(limit, someone(user), 5)).toBe(5);
    expect(await passes(limit, someone("d"), 5)).toBe(0);
    expect(await passes(limit, someone("e", "other"), 5)).toBe(5);
  });

  test("is a user's own whichever way they come, and a ticket's holder uses up nothing of the key's", async () => {
    const limit = createRequestLimit(createAdmission(limiters({ tenant: counting(1_000) }), log));
    const ticket = { id: "t1", epoch: "l", expiresAt: 0 };
    const ofAda: Principal = { ...backEnd, owner: "ada", ticket };
    expect(await passes(limit, someone("ada"), 3)).toBe(3);
    expect(await passes(limit, ofAda, 100)).toBe(2);
    expect(await passes(limit, { ...backEnd, ticket }, 100)).toBe(5);
    expect(await passes(limit, { ...backEnd, ticket: { ...ticket, id: "t2" } }, 100)).toBe(5);
    expect(await passes(limit, backEnd, 100)).toBe(50);
  });

  test("says when to try again", () => {
    expect(rateLimited("this user").fault).toMatchObject({
      code: "rate_limited",
      retryAfterSeconds: RATE_LIMIT_PERIOD_SECONDS,
    });
  });

  test("lets everything pass if the deployment has none", async () => {
    expect(await passes(createRequestLimit(createAdmission(null, log)), someone("ada"), 100)).toBe(100);
    expect(events).toEqual([]);
  });
});

describe("a failing limiter stops nobody, and is logged once:", () => {
  const broken: Limiter = { limit: async () => Promise.reject(new Error("no limiter")) };
  const silent: Limiter = { limit: () => new Promise(() => undefined) };

  test.each([
    ["it throws", broken],
    ["it does not answer", silent],
  ])("%s", async (_what, user) => {
    const limit = createRequestLimit(createAdmission(limiters({ user }), log));
    expect(await passes(limit, someone("ada"), 20)).toBe(20);
    expect(events).toEqual(["rate_limiter_failed"]);
  });

  test("its binding is missing", async () => {
    const limit = createRequestLimit(createAdmission({}, log));
    expect(await passes(limit, someone("ada"), 100)).toBe(100);
    expect(events).toEqual(["rate_limiter_failed", "rate_limiter_failed"]);
  });
});

describe("a flood of wrong keys", () => {
  const PERIOD_MS = RATE_LIMIT_PERIOD_SECONDS * 1_000;
  let now: number;
  let looks: number;

  beforeEach(() => {
    now = 0;
    looks = 0;
  });

  function guarded() {
    const authenticate = async (request: Request): Promise<Principal> => {
      looks += 1;
      const shown = request.headers.get("Authorization") ?? "";
      if (shown.startsWith("Bearer good") || request.url.endsWith("?ticket=good")) return backEnd;
      throw new ThreadkeepError(
        shown === "Bearer later"
          ? { code: "unavailable", detail: "Not now." }
          : { code: "unauthenticated", detail: "This API key is not known." },
      );
    };
    return limitUnauthenticated(authenticate, { admit: createAdmission(limiters(), log), now: () => now });
  }

  function from(address: string | null, key: string): Request {
    return new Request("https://threadkeep.test/v1/sessions", {
      headers: { Authorization: `Bearer ${key}`, ...(address === null ? {} : { "CF-Connecting-IP": address }) },
    });
  }

  test("is checked a few times, and then refused unseen until the period is over", async () => {
    const authenticate = guarded();
    const codes: string[] = [];
    for (let guess = 0; guess < 20; guess += 1)
      codes.push(await codeOf(authenticate(from("192.0.2.1", `bad${guess}`))));
    expect(codes.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => "unauthenticated"));
    expect(new Set(codes.slice(4))).toEqual(new Set(["rate_limited"]));
    expect(looks).toBe(4);
    now += PERIOD_MS;
    expect(await codeOf(authenticate(from("192.0.2.1", "bad")))).toBe("unauthenticated");
  });

  test("is still refused after somebody's valid ticket, which is good once and says nothing about the next request", async () => {
    const authenticate = guarded();
    const ask = (ticket: string): Promise<string> => {
      const url = `https://threadkeep.test/v1/sessions/s/live${ticket === "" ? "" : `?ticket=${ticket}`}`;
      return codeOf(authenticate(new Request(url, { headers: { "CF-Connecting-IP": "192.0.2.1" } })));
    };
    expect(await ask("good")).toBe("passed");
    const codes: string[] = [];
    for (let guess = 0; guess < 20; guess += 1) codes.push(await ask(guess % 2 === 0 ? `bad${guess}` : ""));
    expect(codes.slice(0, 4)).toEqual(Array.from({ length: 4 }, () => "unauthenticated"));
    expect(new Set(codes.slice(4))).toEqual(new Set(["rate_limited"]));
    // It is not even checked whether another one is valid, so that guessing reveals nothing.
    expect(await ask("good")).toBe("rate_limited");
    now += PERIOD_MS;
    expect(await ask("good")).toBe("passed");
  });

  test("affects nobody from another network, nor credentials that this network used successfully before", async () => {
    const authenticate = guarded();
    await authenticate(from("192.0.2.1", "good-neighbour"));
    for (let guess = 0; guess < 20; guess += 1) await codeOf(authenticate(from("192.0.2.1", `bad${guess}`)));
    expect(await codeOf(authenticate(from("192.0.2.1", "good-neighbour")))).toBe("passed");
    expect(await codeOf(authenticate(from("192.0.2.1", "good-newcomer")))).toBe("rate_limited");
    expect(await codeOf(authenticate(from("192.0.2.2", "good-newcomer")))).toBe("passed");
  });

  test("cannot hide behind the many addresses of one IPv6 network", async () => {
    const authenticate = guarded();
    for (let host = 1; host <= 20; host += 1) await codeOf(authenticate(from(`2001:db8:1:2::${host}`, "bad")));
    expect(looks).toBe(4);
    expect(await codeOf(authenticate(from("2001:db8:1:3::1", "good")))).toBe("passed");
  });

  test("does not include credentials that nobody can check during an issuer's outage", async () => {
    const authenticate = guarded();
    for (let request = 0; request < 20; request += 1) {
      expect(await codeOf(authenticate(from("192.0.2.1", "later")))).toBe("unavailable");
    }
  });

  test("is not counted if no address is known, as on a laptop", async () => {
    const authenticate = guarded();
    for (let guess = 0; guess < 20; guess += 1) {
      expect(await codeOf(authenticate(from(null, "bad")))).toBe("unauthenticated");
    }
  });
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:c000:201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.2", "192.0.2.2"],
  ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
  ["nonsense", "no address"],
  ["192.0.2.1, 192.0.2.2", "no address"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::", "fe80:0:0:0::/64"],
  ["", null],
  [null, null],
])("the address %s is of the network %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
