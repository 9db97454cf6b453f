/** Keeps a flood of bad keys and tokens from being looked at one by one. */

import { createHash } from "node:crypto";
import { ThreadkeepError } from "../contracts/errors.ts";
import { parseIpAddress } from "../telemetry/ip-address.ts";
import type { Authenticator } from "./authenticate.ts";
import { type Admit, RATE_LIMIT_PERIOD_SECONDS, rateLimited } from "./rate-limit.ts";

/** Cloudflare sets it anew on each request, so that no caller can choose it. */
const ADDRESS_HEADER = "CF-Connecting-IP";
/** Networks that are kept out, and credentials that were good, as an isolate remembers them. */
const MAX_REMEMBERED = 5_000;
/** A /64: a home has as many addresses of IPv6 as it likes. */
const HOME_GROUPS = 4;
const NO_ADDRESS = "no address";

export interface StrangerLimitOptions {
  readonly admit: Admit;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The same authenticator, but for a network that was refused too often: there, for a while, only what was good before is looked at.
 * Others behind the same address, in an office or a mobile network, go on.
 */
export function limitStrangers(authenticate: Authenticator, options: StrangerLimitOptions): Authenticator {
  const { admit, now = Date.now } = options;
  const barredUntil = new Map<string, number>();
  const good = new Map<string, true>();

  return async (request) => {
    const network = networkOf(request.headers.get(ADDRESS_HEADER));
    if (network === null) return authenticate(request);
    const shown = lastingCredentials(request);
    const isKnown = shown !== null && good.has(shown);
    if (now() < (barredUntil.get(network) ?? 0) && !isKnown) throw rateLimited("this address");
    try {
      const principal = await authenticate(request);
      if (shown !== null) remember(good, shown, true);
      return principal;
    } catch (error) {
      const isStranger = error instanceof ThreadkeepError && error.fault.code === "unauthenticated";
      if (isStranger && !(await admit("stranger", network))) {
        remember(barredUntil, network, now() + RATE_LIMIT_PERIOD_SECONDS * 1_000);
      }
      throw error;
    }
  };
}

/**
 * What a request shows that may be good again, as a digest. Null of one without: a ticket is good once, so that one which was says nothing
 * of any request that comes after it.
 */
function lastingCredentials(request: Request): string | null {
  const authorization = request.headers.get("Authorization");
  return authorization === null || authorization === "" ? null : digest(authorization);
}

/** The oldest goes first. */
function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  for (const oldest of entries.keys()) {
    if (entries.size <= MAX_REMEMBERED) break;
    entries.delete(oldest);
  }
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/**
 * Whom an address belongs to: an IPv4 address to itself, however it is spelt, an IPv6 address to its /64, of which every home has one
 * to itself. Whatever is no address is counted as one. Null where there is none, as on a laptop.
 */
export function networkOf(address: string | null): string | null {
  if (address === null || address === "") return null;
  const parsed = parseIpAddress(address);
  if (parsed === null) return NO_ADDRESS;
  return parsed.version === 4 ? parsed.octets.join(".") : `${parsed.groups.slice(0, HOME_GROUPS).join(":")}::/64`;
}
