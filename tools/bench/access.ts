// The cost of authenticating a request: the same request with each kind of bearer in turn, and each check by itself.
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { z } from "zod";
import { StartError } from "../../scripts/dev/start-error.ts";
import { AdminFault, createAdminSend } from "../../scripts/keys/admin-api.ts";
import { createRandom } from "../../simulation/random.ts";
import { type Authenticator, createAuthenticator } from "../../src/access/authenticate.ts";
import { formatKey, type KeyParts } from "../../src/access/key-format.ts";
import { createTokenVerifier, type TokenVerifier } from "../../src/access/supabase.ts";
import { createdKeySchema, KEY_ID_LENGTH } from "../../src/api/api-key.ts";
import { MAX_LIVE_KEYS } from "../../src/api/limits.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantCache } from "../../src/tenant/cache.ts";
import { createKeyClient } from "../../src/tenant/key-client.ts";
import { hashSecret, makeHashKey, makeSecret, randomText } from "../../src/tenant/key-hash.ts";
import type { KeyHashes } from "../../src/tenant/key-records.ts";
import { type Answer, BenchClient, RequestFailure, type Target } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import { processorMs } from "./machine.ts";
import type { BenchSessions } from "./sessions.ts";
import { type Distribution, distributionOf, shuffle } from "./statistics.ts";
import { createTalk } from "./talk.ts";

/** The baseline for the other bearers: checking this key takes one digest and no lookup. */
const PLAIN = "the deployment's key";
/** Reading after the last seq returns an empty page, which is the closest thing to an empty answer through one object. */
const LAST_SEQ = 999_999;
/** This section takes ten times as many samples as the others, because the p99 of a few hundred samples is left to chance. */
const SAMPLES_FACTOR = 10;
const CHECKS = 20_000;
const CHECK_WARM_UPS = 2_000;

interface AccessRow {
  readonly bearer: string;
  /** One request, from sending to the last byte. */
  readonly request: Distribution | null;
  /** How much longer the request takes than with the deployment's key; null in the row of the deployment's key. */
  readonly addsMs: { readonly p50: number; readonly p99: number } | null;
  /** Processor time of workerd for one request, averaged over many requests; null where the system does not report it. */
  readonly processorMs: number | null;
  /** Processor time of the check alone, in this process. */
  readonly alone: Distribution | null;
}

export interface AccessReport {
  readonly samples: number;
  readonly checks: number;
  readonly rows: readonly AccessRow[];
  readonly notes: readonly string[];
}

export interface AccessParts {
  readonly target: Target;
  /** Null if no key can be created at the target: then only the check is measured. */
  readonly admin: { readonly adminKey: string; readonly tenant: string } | null;
  /** Null if no token can be signed for the target. */
  readonly userToken: string | null;
  readonly runtimePid: number | undefined;
  readonly sessions: BenchSessions;
  readonly failures: FailureTally;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

/** One kind of bearer: what its requests carry, and a function that only checks it. */
interface Bearer {
  readonly name: string;
  readonly shown: string | null;
  readonly alone: () => Promise<unknown>;
}

export async function measureAccess(
  parts: AccessParts,
  options: { readonly samples: number; readonly warmUps: number; readonly costSamples: number },
): Promise<AccessReport> {
  const [samples, warmUps] = [options.samples * SAMPLES_FACTOR, options.warmUps * SAMPLES_FACTOR];
  const made = parts.admin === null ? null : await makeKey(parts.target.url, parts.admin);
  try {
    const bearers = await createBearers(parts.target.apiKey, made?.key ?? null, parts.userToken);
    const requests = await withCases(parts, bearers, async (cases) => {
      await takeTurns(parts, cases, samples, warmUps);
      await measureCosts(parts, cases, options.costSamples * SAMPLES_FACTOR);
      return new Map(cases.map((one) => [one.name, one]));
    });
    parts.onProgress("access: checks alone");
    const rows: AccessRow[] = [];
    for (const { name, alone } of bearers) {
      const measured = requests.get(name);
      const request = distributionOf(measured?.times ?? []);
      const plain = distributionOf(requests.get(PLAIN)?.times ?? []);
      rows.push({
        bearer: name,
        request,
        addsMs: name === PLAIN ? null : over(request, plain),
        processorMs: measured?.processorMs ?? null,
        alone: await time(alone),
      });
    }
    const notes = [
      ...(made === null
        ? ["No key could be created there. Set THREADKEEP_ADMIN_KEY to measure requests with a tenant's key."]
        : []),
      ...(parts.userToken === null ? ["No token can be signed for a service that the benchmark did not start."] : []),
    ];
    return { samples, checks: CHECKS, rows, notes };
  } finally {
    await made?.revoke().catch((error: unknown) => parts.failures.note("access, revoking the key", toFailure(error)));
  }
}

function over(request: Distribution | null, plain: Distribution | null): AccessRow["addsMs"] {
  if (request === null || plain === null) return null;
  const difference = (one: number, other: number): number => Math.round((one - other) * 1_000) / 1_000;
  return { p50: difference(request.p50Ms, plain.p50Ms), p99: difference(request.p99Ms, plain.p99Ms) };
}

/** A key of the tenant that the deployment's key also speaks for, so that both read the same session. */
async function makeKey(
  url: string,
  { adminKey, tenant }: NonNullable<AccessParts["admin"]>,
): Promise<{ key: string; revoke: () => Promise<void> }> {
  const send = createAdminSend({ url, adminKey });
  const path = `/v1/admin/tenants/${tenant}/keys`;
  const body = { name: "benchmark", scopes: ["memory:read"] };
  const answer = await send("POST", path, body).catch((error: unknown) => {
    throw error instanceof AdminFault ? new StartError(error.message, { cause: error }) : error;
  });
  const { id, key } = createdKeySchema.parse(answer);
  const revoke = async (): Promise<void> => {
    z.object({ status: z.literal("revoked") }).parse(await send("DELETE", `${path}/${id}`));
  };
  return { key, revoke };
}

/** If the service is gone, that was reported already. */
function toFailure(error: unknown): unknown {
  return error instanceof AdminFault ? new RequestFailure("not revoked", error.message) : error;
}

async function createBearers(apiKey: string, tenantKey: string | null, userToken: string | null): Promise<Bearer[]> {
  const own = localKey();
  const issuer = await localIssuer();
  const authenticate = localAuthenticator(own.hashes, apiKey, issuer.verify);
  const check = (bearer: string) => {
    const request = new Request("http://threadkeep.test/v1/sessions", {
      headers: { authorization: `Bearer ${bearer}` },
    });
    return () => authenticate(request);
  };
  return [
    { name: PLAIN, shown: apiKey, alone: check(apiKey) },
    { name: "a tenant's key", shown: tenantKey, alone: check(formatKey(own.parts)) },
    { name: "a user's token", shown: userToken, alone: check(issuer.token) },
  ];
}

/** A token, and a verifier that needs no network. */
async function localIssuer(): Promise<{ token: string; verify: TokenVerifier }> {
  const algorithm = "ES256";
  const { privateKey, publicKey } = await generateKeyPair(algorithm);
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: "bench", alg: algorithm, use: "sig" }] };
  const issuer = { issuer: "http://issuer.test", tenant: "bench", audience: "authenticated", anonymousUsers: false };
  const verify = createTokenVerifier({
    issuers: [{ ...issuer, jwksUrl: `${issuer.issuer}/jwks.json` }],
    fetch: async () => Response.json(jwks),
    keepAlive: () => undefined,
    log: createLog({ write: () => undefined }),
  });
  const token = await new SignJWT({ role: issuer.audience })
    .setProtectedHeader({ alg: algorithm, kid: "bench" })
    .setIssuer(issuer.issuer)
    .setAudience(issuer.audience)
    .setSubject("bench")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(privateKey);
  return { token, verify };
}

/** The last of the largest number of keys that a tenant may have: looking it up takes longest. */
function localKey(): { parts: KeyParts; hashes: KeyHashes } {
  const hashKey = makeHashKey();
  const keys = Array.from({ length: MAX_LIVE_KEYS }, () => ({
    tenant: "bench",
    id: randomText(KEY_ID_LENGTH),
    secret: makeSecret(),
  }));
  const live = keys.map(({ id, secret }) => ({
    id,
    hash: hashSecret(hashKey, id, secret),
    scopes: ["memory:read" as const],
    expiresAt: null,
  }));
  const parts = keys.at(-1) ?? { tenant: "bench", id: "", secret: "" };
  return { parts, hashes: { rev: 1, hashKey, live } };
}

/** The Worker's authenticator with a warm cache of the tenant's keys. */
function localAuthenticator(keys: KeyHashes, apiKey: string, verifyToken: TokenVerifier): Authenticator {
  const log = createLog({ write: () => undefined });
  const keepAlive = (): void => undefined;
  const cache = createTenantCache({ load: async () => ({ rev: 1, keys }), keepAlive, log });
  const never = async (): Promise<never> => {
    throw new Error("the benchmark changes no key");
  };
  const object = { createKey: never, rotateKey: never, revokeKey: never, listKeys: never };
  const client = createKeyClient({
    objectOf: () => ({ ...object, noteKeyUse: async () => undefined }),
    cache,
    keep: () => undefined,
    keepAlive,
    log,
    now: Date.now,
  });
  const deployment = { tenant: "bench", apiKey, adminKey: makeSecret() };
  return createAuthenticator({ deployment, checkKey: client.check, verifyToken });
}

interface Case {
  readonly name: string;
  readonly send: () => Promise<Answer>;
  readonly times: number[];
  processorMs: number | null;
}

/** Each bearer has its own connection to a session of one message. The user's token reads a session of that user, the keys one of the tenant. */
async function withCases<T>(
  { target, userToken, sessions }: AccessParts,
  bearers: readonly Bearer[],
  body: (cases: readonly Case[]) => Promise<T>,
): Promise<T> {
  const id = sessions.name("access");
  await sessions.fill(id, 1, createTalk(0));
  if (userToken !== null) await fillOwn({ url: target.url, apiKey: userToken }, id);
  const clients: BenchClient[] = [];
  const cases = bearers.flatMap(({ name, shown }): Case[] => {
    if (shown === null) return [];
    const client = new BenchClient({ url: target.url, apiKey: shown }, 1);
    clients.push(client);
    const send = () => client.send("GET", `/v1/sessions/${id}/messages?afterSeq=${LAST_SEQ}`, null, [200]);
    return [{ name, send, times: [], processorMs: null }];
  });
  try {
    return await body(cases);
  } finally {
    for (const client of clients) client.close();
  }
}

async function fillOwn(target: Target, id: string): Promise<void> {
  const client = new BenchClient(target, 1);
  const body = JSON.stringify({ messages: [createTalk(0)()] });
  await client.send("POST", `/v1/sessions/${id}/messages`, body, [200, 201]).finally(() => client.close());
}

async function takeTurns(
  { failures, signal, onProgress }: AccessParts,
  cases: readonly Case[],
  samples: number,
  warmUps: number,
): Promise<void> {
  const random = createRandom(1);
  for (let round = -warmUps; round < samples; round += 1) {
    if (round % 100 === 0) onProgress(`access: round ${Math.max(0, round)} of ${samples}`);
    for (const { name, send, times } of shuffle(cases, random)) {
      signal.throwIfAborted();
      try {
        const { ms } = await send();
        if (round >= 0) times.push(ms);
      } catch (error) {
        failures.note(`access, ${name}`, error);
      }
    }
  }
}

/** Runs one bearer after the other, because processor time cannot be attributed to requests that take turns. */
async function measureCosts(
  { runtimePid, failures, signal, onProgress }: AccessParts,
  cases: readonly Case[],
  count: number,
): Promise<void> {
  if (runtimePid === undefined || count === 0) return;
  for (const one of cases) {
    onProgress(`access: processor time with ${one.name}`);
    const before = processorMs(runtimePid);
    for (let sent = 0; sent < count; sent += 1) {
      signal.throwIfAborted();
      await one.send().catch((error: unknown) => failures.note(`access, ${one.name}`, error));
    }
    const after = processorMs(runtimePid);
    if (before !== null && after !== null) one.processorMs = (after - before) / count;
  }
}

/** Measures processor time, so that other programs on the machine do not count. */
async function time(check: () => Promise<unknown>): Promise<Distribution | null> {
  const times: number[] = [];
  for (let round = -CHECK_WARM_UPS; round < CHECKS; round += 1) {
    const before = process.cpuUsage();
    await check();
    const { user, system } = process.cpuUsage(before);
    if (round >= 0) times.push((user + system) / 1_000);
  }
  return distributionOf(times);
}
