import { createHmac } from "node:crypto";
import { exportSPKI, importJWK, UnsecuredJWT } from "jose";
import { beforeEach, describe, expect, test } from "vitest";
import { ISSUER_KEY_LIMITS } from "../../src/access/issuer-keys.ts";
import { createTokenVerifier } from "../../src/access/supabase.ts";
import { type Fault, ThreadkeepError } from "../../src/api/errors.ts";
import type { Principal } from "../../src/api/principal.ts";
import { resourceOf } from "../../src/mcp/protected-resource.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { TokenIssuer } from "../support/token-issuer.ts";

const NOW_MS = Date.UTC(2026, 10, 22, 12);
const NOW = NOW_MS / 1_000;

let issuer: TokenIssuer;
let nowMs: number;
let events: string[];

beforeEach(async () => {
  issuer = new TokenIssuer();
  await issuer.addKey("one");
  nowMs = NOW_MS;
  events = [];
});

type Verify = (token: string, headers?: Record<string, string>, path?: string) => Promise<Principal>;

function verifier(change: { anonymousUsers?: boolean } = {}): Verify {
  const verify = createTokenVerifier({
    issuers: [
      {
        issuer: issuer.issuer,
        jwksUrl: issuer.jwksUrl,
        tenant: "acme",
        audience: "authenticated",
        anonymousUsers: false,
        ...change,
      },
    ],
    fetch: issuer.fetch,
    now: () => nowMs,
    keepAlive: () => undefined,
    log: createLog({ write: (_level, line) => events.push(JSON.parse(line).event) }),
    resourceOf,
  });
  return (token, headers = {}, path = "/v1/sessions") =>
    verify(token, new Request(`https://threadkeep.test${path}`, { headers }));
}

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const thrown: unknown = await work.then(
    () => new Error("it was taken"),
    (error: unknown) => error,
  );
  if (thrown instanceof ThreadkeepError) return thrown.fault;
  throw thrown;
}

/** The refusal of every token whose signature is not verified: it is the same for every reason. */
const PLAINLY_REFUSED = {
  code: "unauthenticated",
  detail: "This token was refused. Sign in again, and send the access token as it was issued, whole.",
};

describe("a token of a trusted issuer", () => {
  test.each(["ES256", "RS256"] as const)("signed with %s acts for its subject in the issuer's tenant", async (alg) => {
    await issuer.addKey("two", alg);
    const token = await issuer.sign("two", NOW);
    expect(await verifier()(token)).toEqual({
      kind: "user",
      id: "user:mira",
      tenant: "acme",
      owner: "mira",
      scopes: ["memory:read", "memory:write", "memory:erase"],
      // An hour, and the tolerance for different clocks.
      expiresAt: NOW_MS + 3_660_000,
    });
  });

  test("is checked once: sent again it costs neither a fetch nor a signature check", async () => {
    const verify = verifier();
    const token = await issuer.sign("one", NOW);
    await verify(token);
    issuer.keys = [];
    const times: number[] = [];
    for (let run = 0; run < 500; run += 1) {
      const began = performance.now();
      await verify(token);
      times.push(performance.now() - began);
    }
    expect(issuer.requests).toBe(1);
    // The median, because other work on the machine delays single requests.
    expect(times.toSorted((a, b) => a - b)[250]).toBeLessThan(1);
  });

  test("acts only for its own user: a request that names another one is forbidden, cached or not", async () => {
    const verify = verifier();
    const token = await issuer.sign("one", NOW);
    for (let run = 0; run < 2; run += 1) {
      const fault = await faultOf(verify(token, { "Threadkeep-User": "ada" }));
      expect(fault.code).toBe("forbidden");
      expect(fault.detail).toContain("Threadkeep-User");
    }
    expect((await verify(token, { "Threadkeep-User": "mira" })).owner).toBe("mira");
  });

  test("whose key the issuer withdraws is refused a quarter of an hour later at the latest", async () => {
    const verify = verifier();
    const token = await issuer.sign("one", NOW);
    await verify(token);
    issuer.keys = [];
    await issuer.addKey("two");
    nowMs += ISSUER_KEY_LIMITS.freshMs;
    await verify(await issuer.sign("two", NOW));
    nowMs += 300_000;
    expect(await faultOf(verify(token))).toEqual(PLAINLY_REFUSED);
    issuer.keys = [];
    nowMs += ISSUER_KEY_LIMITS.usableMs / 2 - 1_000;
    const late = await issuer.sign("two", nowMs / 1_000);
    expect(await faultOf(verify(late))).toEqual(PLAINLY_REFUSED);
  });

  test("is refused when it expires, even if it was checked a moment before", async () => {
    const verify = verifier();
    const token = await issuer.sign("one", NOW, { exp: NOW + 10 });
    await verify(token);
    nowMs += 71_000;
    expect((await faultOf(verify(token))).detail).toContain("It has expired");
  });
});

describe("a token is refused without a reason before its signature is verified", () => {
  test("with alg none", async () => {
    const token = new UnsecuredJWT({ iss: issuer.issuer, aud: "authenticated", sub: "mira", exp: NOW + 60 }).encode();
    expect(await faultOf(verifier()(token))).toEqual(PLAINLY_REFUSED);
  });

  test("with HS256, with the public key as its secret", async () => {
    const [jwk] = issuer.keys;
    if (jwk === undefined) throw new Error("no key");
    const key = await importJWK(jwk, "ES256", { extractable: true });
    const secret = key instanceof Uint8Array ? key : await exportSPKI(key);
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: issuer.issuer, aud: "authenticated", sub: "mira", exp: NOW + 60 };
    const body = `${part({ alg: "HS256", kid: "one", typ: "JWT" })}.${part(claims)}`;
    const token = `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
    expect(await faultOf(verifier()(token))).toEqual(PLAINLY_REFUSED);
    expect(issuer.requests).toBe(0);
  });

  test("without a key id, or with an overlong one", async () => {
    for (const kid of [undefined, "", "k".repeat(300)]) {
      expect(await faultOf(verifier()(await issuer.sign("one", NOW, {}, { kid })))).toEqual(PLAINLY_REFUSED);
    }
    expect(issuer.requests).toBe(0);
  });

  test("of another issuer, from whose address nothing is fetched", async () => {
    const stranger = new TokenIssuer("https://evil.test/auth/v1");
    await stranger.addKey("one");
    expect(await faultOf(verifier()(await stranger.sign("one", NOW)))).toEqual(PLAINLY_REFUSED);
    expect(stranger.requests + issuer.requests).toBe(0);
  });

  test("of somebody who uses a trusted issuer's name", async () => {
    const stranger = new TokenIssuer();
    await stranger.addKey("one");
    expect(await faultOf(verifier()(await stranger.sign("one", NOW)))).toEqual(PLAINLY_REFUSED);
  });

  test("whose claims were changed after signing", async () => {
    const [head = "", body = "", signature = ""] = (await issuer.sign("one", NOW)).split(".");
    const claims = { ...JSON.parse(Buffer.from(body, "base64url").toString()), sub: "ada" };
    const forged = `${head}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
    expect(await faultOf(verifier()(forged))).toEqual(PLAINLY_REFUSED);
  });

  test("with a critical header that is not supported", async () => {
    const [, body = "", signature = ""] = (await issuer.sign("one", NOW)).split(".");
    const head = Buffer.from(JSON.stringify({ alg: "ES256", kid: "one", crit: ["tk"], tk: 1 })).toString("base64url");
    expect(await faultOf(verifier()(`${head}.${body}.${signature}`))).toEqual(PLAINLY_REFUSED);
  });

  test("with a key of its own in its header", async () => {
    const stranger = new TokenIssuer();
    const jwk = await stranger.addKey("one");
    const token = await stranger.sign("one", NOW, {}, { jwk });
    expect(await faultOf(verifier()(token))).toEqual(PLAINLY_REFUSED);
  });

  test("that is too long, before any work is done on it", async () => {
    const token = await issuer.sign("one", NOW, { filler: "x".repeat(8_192) });
    expect(await faultOf(verifier()(token))).toEqual(PLAINLY_REFUSED);
    expect(issuer.requests).toBe(0);
  });

  test.each(["", ".", "..", "eyJ..", "eyJh.eyJh.", "a.b.c", "eyJhbGciOiJFUzI1NiJ9.bm90IGpzb24.AA", "é.é.é"])(
    "that is not a token: %j",
    async (text) => {
      expect(await faultOf(verifier()(text))).toEqual(PLAINLY_REFUSED);
    },
  );
});

describe("the holder of a token with a valid signature is told what is wrong with it", () => {
  test.each([
    ["it has expired, by more than clocks may differ", { exp: NOW - 61 }, "refresh it"],
    ["it has no end", { exp: undefined }, '"exp"'],
    ["it is not valid yet", { nbf: NOW + 61 }, "not valid yet"],
    ["it is for another audience", { aud: "admin" }, '"authenticated"'],
    ["it has no audience", { aud: undefined }, '"authenticated"'],
    ["it has no subject", { sub: undefined }, '"sub"'],
    ["its subject is the sign of the tenant itself", { sub: "-" }, "names no user"],
    ["its subject stands for the tenant", { sub: "-" }, "names no user"],
    ["its subject is too long", { sub: "m".repeat(257) }, "names no user"],
    ["its user is anonymous", { is_anonymous: true }, "sign in"],
  ])("%s", async (_name, claims, words) => {
    const fault = await faultOf(verifier()(await issuer.sign("one", NOW, claims)));
    expect(fault.code).toBe("unauthenticated");
    expect(fault.detail).toContain(words);
  });

  test("but small differences between clocks are tolerated", async () => {
    for (const claims of [{ exp: NOW - 59 }, { nbf: NOW + 59 }]) {
      expect((await verifier()(await issuer.sign("one", NOW, claims))).owner).toBe("mira");
    }
  });

  test("and an anonymous user's token is accepted if the issuer's configuration allows it", async () => {
    const token = await issuer.sign("one", NOW, { is_anonymous: true });
    expect((await verifier({ anonymousUsers: true })(token)).owner).toBe("mira");
  });
});

describe("the issuer's keys", () => {
  test("are refreshed in the background before they are old: nobody waits while they are in use", async () => {
    const verify = verifier();
    await verify(await issuer.sign("one", NOW));
    issuer.answer = () => new Promise(() => undefined);
    nowMs += ISSUER_KEY_LIMITS.freshMs / 2;
    expect((await verify(await issuer.sign("one", nowMs / 1_000))).owner).toBe("mira");
    expect(issuer.requests).toBe(2);
  });

  test("are fetched again for the first token that names a new one", async () => {
    const verify = verifier();
    await verify(await issuer.sign("one", NOW));
    await issuer.addKey("two");
    nowMs += ISSUER_KEY_LIMITS.unknownKeyRestMs;
    expect((await verify(await issuer.sign("two", NOW))).owner).toBe("mira");
    expect(issuer.requests).toBe(2);
  });

  test("are not requested by a flood of invented key ids", async () => {
    const verify = verifier();
    await verify(await issuer.sign("one", NOW));
    nowMs += ISSUER_KEY_LIMITS.unknownKeyRestMs;
    const flood = await Promise.all(
      Array.from({ length: 200 }, (_, index) => issuer.sign("one", NOW, {}, { kid: `made-up-${index}` })),
    );
    const faults = await Promise.all(flood.map((token) => faultOf(verify(token))));
    for (const fault of faults) expect(fault).toEqual(PLAINLY_REFUSED);
    expect(issuer.requests).toBe(2);
    nowMs += ISSUER_KEY_LIMITS.unknownKeyRestMs - 1;
    const oneMore = await issuer.sign("one", nowMs / 1_000, {}, { kid: "made-up-too" });
    expect(await faultOf(verify(oneMore))).toEqual(PLAINLY_REFUSED);
    expect(issuer.requests, "asked again before the rest is over").toBe(2);
  });

  test("are requested without following redirects", async () => {
    await verifier()(await issuer.sign("one", NOW));
    expect(issuer.lastRequest?.redirect).toBe("manual");
  });

  test("are read up to a maximum length, even if all of it is keys", async () => {
    const padding = " ".repeat(ISSUER_KEY_LIMITS.maxBytes);
    issuer.answer = async () => new Response(`${JSON.stringify({ keys: issuer.keys })}${padding}`);
    expect(await faultOf(verifier()(await issuer.sign("one", NOW)))).toMatchObject({ code: "unavailable" });
  });

  test("are fetched once for many first tokens at once", async () => {
    const verify = verifier();
    const tokens = await Promise.all(["ada", "mira", "tom"].map((sub) => issuer.sign("one", NOW, { sub })));
    const users = await Promise.all(tokens.map((token) => verify(token)));
    expect(users.map(({ owner }) => owner)).toEqual(["ada", "mira", "tom"]);
    expect(issuer.requests).toBe(1);
  });

  test("are used for two hours while the issuer is unavailable, which is logged once", async () => {
    const verify = verifier();
    await verify(await issuer.sign("one", NOW));
    issuer.answer = async () => Promise.reject(new Error("no route"));
    for (let minutes = 10; minutes < 120; minutes += 10) {
      nowMs = NOW_MS + minutes * 60_000;
      expect((await verify(await issuer.sign("one", nowMs / 1_000))).owner).toBe("mira");
    }
    expect(events).toEqual(["issuer_out_of_reach"]);
    nowMs = NOW_MS + ISSUER_KEY_LIMITS.usableMs;
    const fault = await faultOf(verify(await issuer.sign("one", nowMs / 1_000)));
    expect(fault).toMatchObject({ code: "unavailable", retryAfterSeconds: 5 });
    issuer.answer = null;
    nowMs += ISSUER_KEY_LIMITS.failureRestMs;
    expect((await verify(await issuer.sign("one", nowMs / 1_000))).owner).toBe("mira");
    expect(events).toEqual(["issuer_out_of_reach", "issuer_in_reach"]);
  });

  test.each([
    ["no route", async () => Promise.reject(new Error("no route"))],
    ["an error", async () => new Response("down", { status: 500 })],
    ["a redirect", async () => Response.redirect("https://evil.test/keys", 302)],
    ["no JSON", async () => new Response("<html>")],
    ["no keys", async () => Response.json({ hello: 1 })],
    ["no end", async () => new Response(new Uint8Array(ISSUER_KEY_LIMITS.maxBytes + 1))],
  ])(
    "that were never seen and are out of reach (%s) make the token wait, not its user a stranger",
    async (_, answer) => {
      issuer.answer = answer;
      const verify = verifier();
      const token = await issuer.sign("one", NOW);
      expect(await faultOf(verify(token))).toMatchObject({ code: "unavailable", retryAfterSeconds: 5 });
      expect(await faultOf(verify(token))).toMatchObject({ code: "unavailable" });
      expect(issuer.requests).toBe(1);
      issuer.answer = null;
      nowMs += ISSUER_KEY_LIMITS.failureRestMs;
      expect((await verify(token)).owner).toBe("mira");
    },
  );

  test("are not used for another algorithm, nor if two have one id", async () => {
    await issuer.addKey("two");
    await issuer.addKey("two");
    expect(await faultOf(verifier()(await issuer.sign("two", NOW)))).toEqual(PLAINLY_REFUSED);
    issuer.keys = [{ kty: "oct", kid: "one", alg: "HS256", k: "c2VjcmV0" }];
    expect(await faultOf(verifier()(await issuer.sign("one", NOW)))).toEqual(PLAINLY_REFUSED);
  });
});

describe("a token that is bound to a resource", () => {
  const RESOURCE = "https://threadkeep.test/mcp";

  test("is accepted there and nowhere else, before and after it is cached", async () => {
    const verify = verifier();
    const token = await issuer.sign("one", NOW, { aud: RESOURCE, scope: "memory:read" });
    for (let time = 0; time < 2; time += 1) {
      expect(await verify(token, {}, "/mcp")).toMatchObject({ owner: "mira", scopes: ["memory:read"] });
      expect((await faultOf(verify(token))).detail).toContain('Its audience must be "authenticated".');
    }
    const other = await issuer.sign("one", NOW, { aud: "https://other.test/mcp" });
    expect((await faultOf(verify(other, {}, "/mcp"))).detail).toContain(`"authenticated" or "${RESOURCE}"`);
  });

  test.each([
    [{ aud: RESOURCE }, []],
    [{ aud: RESOURCE, scope: "openid profile" }, []],
    [{ aud: RESOURCE, scope: "openid memory:write memory:read" }, ["memory:read", "memory:write"]],
    [{ aud: RESOURCE, scp: ["memory:erase", "admin"] }, ["memory:erase"]],
    [{ aud: RESOURCE, scope: "admin ops" }, []],
    [{ scope: "openid profile" }, ["memory:read", "memory:write", "memory:erase"]],
    [{ scope: "memory:read" }, ["memory:read"]],
    [{ aud: ["authenticated", RESOURCE] }, ["memory:read", "memory:write", "memory:erase"]],
  ])("has the scopes that it was granted, and a user's own token all scopes of a user: %j", async (claims, scopes) => {
    const token = await issuer.sign("one", NOW, claims);
    expect(await verifier()(token, {}, "/mcp")).toMatchObject({ scopes });
  });
});
