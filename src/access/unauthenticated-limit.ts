/** Limits how many invalid keys and tokens a network may try, so that a flood of them is not verified one by one. */

import { createHash } from "node:crypto";
import { ThreadkeepError } from "../api/errors.ts";
import { ipPrefix, type PrefixLength } from "../lib/ip-prefix.ts";
import { setNewest } from "../lib/lru.ts";
import type { Authenticator } from "./authenticate.ts";
import { type Admit, RATE_LIMIT_PERIOD_SECONDS, rateLimited } from "./rate-limit.ts";

/** Cloudflare overwrites this header on each request, so a caller cannot forge it. */
const ADDRESS_HEADER = "CF-Connecting-IP";
/** How many blocked networks, and how many valid credentials, an isolate remembers. */
const MAX_REMEMBERED = 5_000;
/**
 * The prefix that counts as one network: a whole IPv4 address, or the /64 of an IPv6 address, because every home has a
 * whole /64.
 */
const HOME: PrefixLength = { octets: 4, groups: 4 };
const NO_ADDRESS = "no address";

export interface UnauthenticatedLimitOptions {
  readonly admit: Admit;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/**
 * Wraps an authenticator. After too many failures, a network is blocked for a while: only credentials that were valid
 * before are still verified. Others who share the address, in an office or a mobile network, can thus continue.
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
 * A digest of the request's Authorization header; null if there is none. Tickets are not included: each works once, so
 * a valid ticket says nothing about later requests.
 */
function lastingCredentials(request: Request): string | null {
  const authorization = request.headers.get("Authorization");
  return authorization === null || authorization === "" ? null : digest(authorization);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64");
}

/**
 * The network that an address belongs to: an IPv4 address itself, however it is spelt, or the /64 of an IPv6 address.
 * All texts that are no address count as one network. Null if there is no address, as on a local machine.
 * @internal Addresses have more forms than a test of the limit can send.
 */
export function networkOf(address: string | null): string | null {
  if (address === null || address === "") return null;
  return ipPrefix(address, HOME) ?? NO_ADDRESS;
}
