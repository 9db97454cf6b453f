/** The public keys of one token issuer, fetched when they are needed and cached in the isolate. */

import { createLocalJWKSet, type CryptoKey, errors, type JWSHeaderParameters, type LocalJWKSet } from "jose";
import { ThreadkeepError } from "../api/errors.ts";
import { createSingleFlight, endOf } from "../lib/single-flight.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";

export interface IssuerKeyLimits {
  /**
   * Keys younger than this are used without a fetch. Once they are older than half of it, they are refreshed in the
   * background.
   */
  readonly freshMs: number;
  /**
   * Older keys are used up to this age if the issuer cannot be reached. It is twice as long as a Supabase token is
   * valid, and during an outage nobody gets new tokens anyway.
   */
  readonly usableMs: number;
  /**
   * For this long after a fetch, an unknown key id triggers no other one, so that made-up ids cannot flood the issuer.
   */
  readonly unknownKeyRestMs: number;
  /** For this long after a failed fetch, no other one is made. */
  readonly failureRestMs: number;
  /** The timeout of one fetch. */
  readonly timeoutMs: number;
  /** The largest response. A set of keys has a few kilobytes. */
  readonly maxBytes: number;
}

/** @internal Tests go up to it and past it. */
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
  /** Keeps a fetch running after the request that started it has ended. */
  readonly keepAlive: (work: Promise<void>) => void;
  /** Gets an entry for the first of several failures, and for the first success after them. */
  readonly log: Log;
  readonly fetch?: (request: Request) => Promise<Response>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  readonly limits?: IssuerKeyLimits;
}

/**
 * The key that a token's header names; null if the issuer has no such key.
 * @throws {ThreadkeepError} `unavailable` if the issuer cannot be reached
 */
export type FindKey = (header: JWSHeaderParameters) => Promise<CryptoKey | null>;

export function createIssuerKeys(options: IssuerKeysOptions): FindKey {
  const { url, keepAlive, log, now = Date.now, limits = ISSUER_KEY_LIMITS } = options;
  let keys: { readonly set: LocalJWKSet; readonly at: number } | null = null;
  let lastBeganAt = Number.NEGATIVE_INFINITY;
  let hasFailed = false;

  const isYoungerThan = (ms: number): boolean => keys !== null && now() - keys.at < ms;

  const fetching = createSingleFlight({
    async call() {
      lastBeganAt = now();
      return createLocalJWKSet(JSON.parse(await fetchText(options, limits)));
    },
    lostMs: limits.timeoutMs,
    keepAlive,
    now,
    onAnswer(set, beganAt) {
      keys = { set, at: beganAt };
      if (hasFailed) log.info("issuer_in_reach", { url });
      hasFailed = false;
    },
    onFailure(error) {
      if (!hasFailed) log.warn("issuer_out_of_reach", { url, ...errorFields(error) });
      hasFailed = true;
    },
  });

  function mayBegin(restMs: number): boolean {
    return now() - lastBeganAt >= (hasFailed ? Math.max(restMs, limits.failureRestMs) : restMs);
  }

  return async (header) => {
    if (!isYoungerThan(limits.freshMs / 2) && (fetching.running() !== null || mayBegin(0))) {
      const call = fetching.begin();
      // Wait for the fetch if the cached keys are too old, because one may have been withdrawn since. During a known
      // outage do not wait.
      const mustWait = !isYoungerThan(limits.usableMs) || (!isYoungerThan(limits.freshMs) && !hasFailed);
      if (mustWait) await endOf(call, limits.timeoutMs);
    }
    if (!isYoungerThan(limits.usableMs)) throw outOfReach(limits);
    const known = await pick(keys?.set, header);
    if (known !== null) return known;
    if (fetching.running() !== null || mayBegin(limits.unknownKeyRestMs)) {
      await endOf(fetching.begin(), limits.timeoutMs);
      const added = await pick(keys?.set, header);
      if (added !== null) return added;
    }
    // The key may be new, but only the issuer could tell.
    if (hasFailed) throw outOfReach(limits);
    return null;
  };
}

async function pick(set: LocalJWKSet | undefined, header: JWSHeaderParameters): Promise<CryptoKey | null> {
  try {
    return (await set?.(header)) ?? null;
  } catch (error) {
    // There is no such key, or two with the same id, or it does not fit the algorithm: in each case the token cannot be
    // verified.
    if (error instanceof errors.JOSEError) return null;
    throw error;
  }
}

async function fetchText({ url, fetch: send = fetch }: IssuerKeysOptions, limits: IssuerKeyLimits): Promise<string> {
  // Redirects are not followed: only the configured address is trusted.
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

function outOfReach(limits: IssuerKeyLimits): ThreadkeepError {
  return new ThreadkeepError({
    code: "unavailable",
    detail:
      "The issuer of this token cannot be reached, so the token cannot be verified. Send the request again after Retry-After seconds.",
    retryAfterSeconds: limits.failureRestMs / 1_000,
  });
}
