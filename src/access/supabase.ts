/** Verifies users' tokens: JWTs signed by Supabase Auth or another configured issuer. */

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

/** An issuer whose tokens are accepted, and the tenant of its users. */
interface TokenIssuer {
  /** The exact value of the claim `iss`. */
  readonly issuer: string;
  readonly tenant: string;
  readonly audience: string;
  readonly jwksUrl: string;
  /** Whether tokens with the claim `is_anonymous` are accepted. Anybody can get one without signing in. */
  readonly anonymousUsers: boolean;
}

/**
 * Identifies the user of a token.
 * Until the signature is verified, every refusal has the same text.
 * @throws {ThreadkeepError} `unauthenticated`; `forbidden` if the request names another user; `unavailable` if the
 * issuer's keys are needed and cannot be reached
 */
export type TokenVerifier = (token: string, request: Request) => Promise<Principal>;

export interface TokenVerifierOptions extends Omit<IssuerKeysOptions, "url"> {
  readonly issuers: readonly TokenIssuer[];
  /**
   * The protected resource (RFC 8707) that a request is for. A token that is bound to a resource is accepted there
   * only.
   */
  readonly resourceOf?: (request: Request) => string | null;
}

/**
 * The asymmetric algorithms of Supabase. With a symmetric one allowed, an attacker could use a public key as the shared
 * secret.
 */
const ALGORITHMS = ["ES256", "RS256"];
/** Tolerance for clocks that differ: a token is accepted this long after it expires. */
const CLOCK_SKEW_SECONDS = 60;
/** Tokens with many claims have about two kilobytes. Longer ones are refused before they are parsed. */
const MAX_TOKEN_LENGTH = 8_192;
const MAX_KEY_ID_LENGTH = 256;
/** How long a verified token is cached, so that a key that its issuer withdraws soon stops working. */
const REMEMBERED_MS = 300_000;
/** About one megabyte of an isolate's 128. */
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
    // The cache holds a digest, not the token, so that its contents cannot be used to authenticate. The resource is
    // part of the key, because a token may be accepted for one resource and not for another.
    const digest = `${createHash("sha256").update(token).digest("base64")} ${resource ?? ""}`;
    const known = recall(digest);
    if (known !== null) return known;
    // Keys are fetched only for configured issuers: `iss` is not verified yet and could name any address.
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
      detail: `A user's token works only for that user. Leave out the header ${USER_HEADER}, which names another user.`,
    });
  };
}

/**
 * The issuer that a token claims, without verifying anything yet.
 * @throws {ThreadkeepError} `unauthenticated` if the token could not be verified anyway
 */
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

/** Which claim is not accepted. This may be told, because the signature was valid. */
function claimFault(claim: string, audiences: readonly string[]): string {
  if (claim === "nbf") return "It is not valid yet: check the clock of whoever signed it.";
  if (claim === "aud")
    return `Its audience must be ${audiences.map((audience) => JSON.stringify(audience)).join(" or ")}.`;
  return `Its claim ${JSON.stringify(claim)} is missing or not valid.`;
}

/**
 * The scopes of a token. If it names scopes of ours, it has those. A token that an application got by signing the user
 * in names none and has all that a user may do. A token that is bound to a resource was requested by an OAuth client
 * and has only the scopes that it names.
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
