/** Tokens of users: JWTs that Supabase Auth, or another issuer that the deployment names, has signed. */

import { createHash } from "node:crypto";
import {
  type CryptoKey,
  decodeJwt,
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from "jose";
import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";
import { userIdSchema } from "../api/session.ts";
import { setNewest } from "../lib/lru.ts";
import { USER_HEADER } from "./authenticate.ts";
import { MEMORY_SCOPES } from "./deployment-keys.ts";
import { createIssuerKeys, type FindKey, type IssuerKeysOptions } from "./issuer-keys.ts";

/** Whose tokens are believed, and for which tenant. */
export interface TokenIssuer {
  /** The claim `iss`, to the letter. */
  readonly issuer: string;
  readonly tenant: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** Whether tokens with `is_anonymous` are taken: anybody gets one for nothing. */
  readonly anonymousUsers: boolean;
}

/**
 * The user that a token speaks for. Throws `unauthenticated`, `forbidden` where the request names another user, and `unavailable`
 * where the issuer's keys are wanted and out of reach. Until the signature is verified every refusal reads the same.
 */
export type TokenVerifier = (token: string, request: Request) => Promise<Principal>;

export interface TokenVerifierOptions extends Omit<IssuerKeysOptions, "url"> {
  readonly issuers: readonly TokenIssuer[];
  /** The protected resource that a request is for: a token that is bound to it (RFC 8707) is taken there, and nowhere else. */
  readonly resourceOf?: (request: Request) => string | null;
}

/** Those of Supabase. A symmetric one would take a public key for a secret. */
const ALGORITHMS = ["ES256", "RS256"];
/** Clocks of machines differ; a token outlives its end by this. */
const CLOCK_SKEW_SECONDS = 60;
/** Tokens with many claims take two kilobytes; the work that a longer one would make is not worth doing. */
const MAX_TOKEN_LENGTH = 8_192;
const MAX_KEY_ID_LENGTH = 256;
/** So long a verified token is believed as it is, so that a key which its issuer withdraws is soon worth nothing. */
const REMEMBERED_MS = 300_000;
/** A megabyte or so of an isolate's 128. */
const MAX_REMEMBERED = 5_000;

export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { now = Date.now, resourceOf = () => null } = options;
  const trusted = new Map(
    options.issuers.map((issuer) => [
      issuer.issuer,
      { ...issuer, findKey: createIssuerKeys({ ...options, url: issuer.jwksUrl }) },
    ]),
  );
  const remembered = new Map<string, { readonly principal: Principal; readonly until: number }>();

  function recall(digest: string): Principal | null {
    const entry = remembered.get(digest);
    if (entry === undefined) return null;
    if (now() < entry.until) return entry.principal;
    remembered.delete(digest);
    return null;
  }

  function remember(digest: string, principal: Principal, expiresAt: number): void {
    setNewest(remembered, digest, { principal, until: Math.min(expiresAt, now() + REMEMBERED_MS) }, MAX_REMEMBERED);
  }

  async function principalOf(token: string, resource: string | null): Promise<Principal> {
    if (token.length > MAX_TOKEN_LENGTH) throw refused();
    // Not the token itself: what an isolate remembers should open nothing. And apart by where it is shown: not every place takes each.
    const digest = `${createHash("sha256").update(token).digest("base64")} ${resource ?? ""}`;
    const known = recall(digest);
    if (known !== null) return known;
    // No address is asked for keys before the configuration names it: `iss` is whatever the sender wrote.
    const issuer = trusted.get(claimedIssuer(token));
    if (issuer === undefined) throw refused();
    const payload = await verified(token, issuer, resource, new Date(now()));
    const user = userOf(payload, issuer);
    const { tenant } = issuer;
    const expiresAt = ((payload.exp ?? 0) + CLOCK_SKEW_SECONDS) * 1_000;
    const id = `user:${user}`;
    const scopes = scopesOf(payload, issuer);
    const principal: Principal = { kind: "user", id, tenant, owner: user, scopes, expiresAt };
    remember(digest, principal, expiresAt);
    return principal;
  }

  return async (token, request) => {
    const principal = await principalOf(token, resourceOf(request));
    const named = request.headers.get(USER_HEADER);
    if (named === null || named === principal.owner) return principal;
    throw new ThreadkeepError({
      code: "forbidden",
      detail: `A user's token speaks for that user alone. Leave out the header ${USER_HEADER}, which names another.`,
    });
  };
}

/** The issuer that a token names, if the token is one that could be verified; nothing of it is verified yet. */
function claimedIssuer(token: string): string {
  const { header, payload } = decoded(token);
  const { alg = "", kid } = header;
  const isKeyNamed = typeof kid === "string" && kid.length > 0 && kid.length <= MAX_KEY_ID_LENGTH;
  if (!isKeyNamed || typeof payload.iss !== "string" || !ALGORITHMS.includes(alg)) throw refused();
  return payload.iss;
}

function decoded(token: string): { header: ProtectedHeaderParameters; payload: JWTPayload } {
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) };
  } catch {
    throw refused();
  }
}

async function verified(
  token: string,
  issuer: TokenIssuer & { findKey: FindKey },
  resource: string | null,
  now: Date,
): Promise<JWTPayload> {
  const audiences = resource === null ? [issuer.audience] : [issuer.audience, resource];
  try {
    const { payload } = await jwtVerify(token, (header) => findKeyOrRefuse(issuer.findKey, header), {
      issuer: issuer.issuer,
      audience: audiences,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: now,
      requiredClaims: ["exp", "sub"],
    });
    return payload;
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw refused("It has expired: refresh it, and send the new one.");
    if (error instanceof errors.JWTClaimValidationFailed) throw refused(claimFault(error.claim, audiences));
    if (error instanceof errors.JOSEError) throw refused();
    throw error;
  }
}

async function findKeyOrRefuse(findKey: FindKey, header: Parameters<FindKey>[0]): Promise<CryptoKey> {
  const key = await findKey(header);
  if (key === null) throw refused();
  return key;
}

/** Who holds a token with a true signature may know which claim does not do. */
function claimFault(claim: string, audiences: readonly string[]): string {
  if (claim === "nbf") return "It is not valid yet: check the clock of whoever signed it.";
  if (claim === "aud")
    return `Its audience must be ${audiences.map((audience) => JSON.stringify(audience)).join(" or ")}.`;
  return `Its claim ${JSON.stringify(claim)} is missing or not valid.`;
}

/**
 * What a token was granted. One that names scopes of ours has those. A user's own, which an application got by signing them in, names none
 * and has all that a user may; one that is for a resource alone was asked for by a client, and has what it names.
 */
function scopesOf(payload: JWTPayload, issuer: TokenIssuer): readonly Scope[] {
  const claim = payload["scope"] ?? payload["scp"];
  const named = typeof claim === "string" ? claim.split(" ") : Array.isArray(claim) ? claim : [];
  const granted = MEMORY_SCOPES.filter((scope) => named.includes(scope));
  const isUsersOwn = [payload.aud].flat().includes(issuer.audience);
  return granted.length === 0 && isUsersOwn ? MEMORY_SCOPES : granted;
}

function userOf(payload: JWTPayload, issuer: TokenIssuer): string {
  if (payload["is_anonymous"] === true && !issuer.anonymousUsers) {
    throw refused("Anonymous users are not taken here: sign in.");
  }
  const user = userIdSchema.safeParse(payload.sub);
  if (!user.success)
    throw refused(`Its claim "sub" names no user: it ${user.error.issues[0]?.message ?? "is not valid"}.`);
  return user.data;
}

function refused(reason = "Sign in again, and send the access token as it was issued, whole."): ThreadkeepError {
  return new ThreadkeepError({ code: "unauthenticated", detail: `This token was refused. ${reason}` });
}
