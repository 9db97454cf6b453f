/** The public keys of one issuer of tokens, fetched when they are wanted and remembered by the isolate. */

import { createLocalJWKSet, type CryptoKey, errors, type JWSHeaderParameters, type LocalJWKSet } from "jose";
import { ThreadkeepError } from "../api/errors.ts";
import { withTimeout } from "../lib/with-timeout.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface IssuerKeyLimits {
  /** Keys so young serve as they are; past half of it new ones are fetched behind a request's back. */
  readonly freshMs: number;
  /**
   * Older ones serve up to this age while the issuer is out of reach: twice the life that Supabase gives a token, and
   * nobody gets a new token meanwhile.
   */
  readonly usableMs: number;
  /** So long after one fetch began no other does for a key id that is not known: made-up ids must not flood the issuer. */
  readonly unknownKeyRestMs: number;
  /** So long after a fetch failed no other begins. */
  readonly failureRestMs: number;
  /** One fetch. */
  readonly timeoutMs: number;
  /** A set of keys is a few kilobytes. */
  readonly maxBytes: number;
}

export const ISSUER_KEY_LIMITS: IssuerKeyLimits = {
  freshMs: 600_000,
  usableMs: 7_200_000,
  unknownKeyRestMs: 30_000,
  failureRestMs: 5_000,
  timeoutMs: 3_000,
  maxBytes: 65_536,
};

export interface IssuerKeysOptions {
  readonly url: string;
  /** Lets a fetch outlive the request that began it. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Told of the first failure in a row, and of its end. */
  readonly log: Log;
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly limits?: IssuerKeyLimits;
}

/** The key that a token's header names; null if the issuer has none such. Throws `unavailable` if that cannot be told. */
export type FindKey = (header: JWSHeaderParameters) => Promise<CryptoKey | null>;

interface Fetch {
  readonly beganAt: number;
  /** Never rejects. */
  ended: Promise<void>;
}

export function createIssuerKeys(options: IssuerKeysOptions): FindKey {
  const { url, keepAlive, log, now = Date.now, limits = ISSUER_KEY_LIMITS } = options;
  let keys: { readonly set: LocalJWKSet; readonly at: number } | null = null;
  let underWay: Fetch | null = null;
  let lastBeganAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;

  const isYoungerThan = (ms: number): boolean => keys !== null && now() - keys.at < ms;

  /** The fetch under way, or a new one. One that was lost with the request that began it is given up. */
  function begin(): Fetch {
    if (underWay !== null && now() - underWay.beganAt <= limits.timeoutMs) return underWay;
    const call: Fetch = { beganAt: now(), ended: Promise.resolve() };
    underWay = call;
    lastBeganAt = call.beganAt;
    call.ended = settle(call);
    keepAlive(call.ended);
    return call;
  }

  async function settle(call: Fetch): Promise<void> {
    try {
      const set = createLocalJWKSet(JSON.parse(await fetchText(options, limits)));
      if (underWay !== call) return;
      keys = { set, at: call.beganAt };
      if (hasFailed) log.info("issuer_in_reach", { url });
      hasFailed = false;
    } catch (error) {
      if (underWay !== call) return;
      if (!hasFailed) log.warn("issuer_out_of_reach", { url, ...errorFields(error) });
      hasFailed = true;
    }
    underWay = null;
  }

  function mayBegin(restMs: number): boolean {
    return now() - lastBeganAt >= (hasFailed ? Math.max(restMs, limits.failureRestMs) : restMs);
  }

  return async (header) => {
    if (!isYoungerThan(limits.freshMs / 2) && (underWay !== null || mayBegin(0))) {
      const call = begin();
      // What an isolate has not used for long may hold a key that was withdrawn since. An outage, once known, is not waited for.
      const mustWait = !isYoungerThan(limits.usableMs) || (!isYoungerThan(limits.freshMs) && !hasFailed);
      if (mustWait) await endOf(call, limits.timeoutMs);
    }
    if (!isYoungerThan(limits.usableMs)) throw outOfReach(limits);
    const known = await pick(keys?.set, header);
    if (known !== null) return known;
    if (underWay !== null || mayBegin(limits.unknownKeyRestMs)) {
      await endOf(begin(), limits.timeoutMs);
      const added = await pick(keys?.set, header);
      if (added !== null) return added;
    }
    // Whether there is such a key by now only the issuer could say.
    if (hasFailed) throw outOfReach(limits);
    return null;
  };
}

async function pick(set: LocalJWKSet | undefined, header: JWSHeaderParameters): Promise<CryptoKey | null> {
  try {
    return (await set?.(header)) ?? null;
  } catch (error) {
    // None, two of one name, or one that is no key for this algorithm: none of it verifies a token.
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}

async function fetchText({ url, fetch: send = fetch }: IssuerKeysOptions, limits: IssuerKeyLimits): Promise<string> {
  // A redirect could lead anywhere; the address that is set is the one that is trusted.
  const signal = AbortSignal.timeout(limits.timeoutMs);
  const answer = await send(new Request(url, { redirect: "manual", headers: { Accept: "application/json" }, signal }));
  if (answer.status !== 200 || answer.body === null) throw new Error(`the issuer answered ${answer.status}`);
  return readAtMost(answer.body, limits.maxBytes);
}

async function readAtMost(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new Error(`the issuer's keys take more than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

/** Waits for a fetch, but no longer than so many milliseconds: the runtime may have dropped it with its request. */
async function endOf(call: Fetch, atMostMs: number): Promise<void> {
  await withTimeout(call.ended, atMostMs, () => undefined);
}

function outOfReach(limits: IssuerKeyLimits): ThreadkeepError {
  return new ThreadkeepError({
    code: "unavailable",
    detail:
      "The issuer of this token is out of reach, so it cannot be checked. Send it again after Retry-After seconds.",
    retryAfterSeconds: limits.failureRestMs / 1_000,
  });
}
