/** Keeps a flood of bad keys and tokens from being looked at one by one. */

import { createHash } from "node:crypto";
import { ThreadkeepError } from "../api/errors.ts";
import { ipPrefix, type PrefixLength } from "../lib/ip-prefix.ts";
import { setNewest } from "../lib/lru.ts";
import type { Authenticator } from "./authenticate.ts";
import { type Admit, RATE_LIMIT_PERIOD_SECONDS, rateLimited } from "./rate-limit.ts";

/** Cloudflare sets it anew on each request, so that no caller can choose it. */
const ADDRESS_HEADER = "CF-Connecting-IP";
/** Networks that are kept out, and credentials that were good, as an isolate remembers them. */
const MAX_REMEMBERED = 5_000;
/** A whole IPv4 address, and the /64 of an IPv6 one: a home has as many addresses of IPv6 as it likes. */
const HOME: PrefixLength = { octets: 4, groups: 4 };
const NO_ADDRESS = "no address";

export interface UnauthenticatedLimitOptions {
  readonly admit: Admit;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * The same authenticator, but for a network that was refused too often: there, for a while, only what was good before is looked at.
 * Others behind the same address, in an office or a mobile network, go on.
 */
export function limitUnauthenticated(authenticate: Authenticator, options: UnauthenticatedLimitOptions): Authenticator {
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
      if (shown !== null) setNewest(good, shown, true, MAX_REMEMBERED);
      return principal;
    } catch (error) {
      const isUnauthenticated = error instanceof ThreadkeepError && error.fault.code === "unauthenticated";
      if (isUnauthenticated && !(await admit("unauthenticated", network))) {
        setNewest(barredUntil, network, now() + RATE_LIMIT_PERIOD_SECONDS * 1_000, MAX_REMEMBERED);
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

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/**
 * Whom an address belongs to: an IPv4 address to itself, however it is spelt, an IPv6 address to its /64, of which every home has one
 * to itself. Whatever is no address is counted as one. Null where there is none, as on a laptop.
 */
export function networkOf(address: string | null): string | null {
  if (address === null || address === "") return null;
  return ipPrefix(address, HOME) ?? NO_ADDRESS;
}
