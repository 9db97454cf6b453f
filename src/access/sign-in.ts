import { createHmac, timingSafeEqual } from "node:crypto";
import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";
import type { OperationsClient } from "../control/client.ts";
import { ownerNamed } from "./authenticate.ts";

/**
 * Signing in to the inspector by a link. The link holds a ticket, good once and for minutes: whoever finds it later in a terminal's
 * history gets nothing. The page exchanges it for a token that it keeps in memory, so that no key is ever in a URL or in storage.
 */

/** Set each use of the secret apart from the other, and from that of the live feed's tickets. */
const TICKET_PURPOSE = "threadkeep sign-in ticket v1";
const TOKEN_PURPOSE = "threadkeep inspector token v1";

/** Tells a token of the page from keys and from tokens of users. */
const TOKEN_PREFIX = "tkpage_";
/** Time to start a browser, or to hand the link to a colleague. */
export const SIGN_IN_LINK_MINUTES = 15;
/** A working day: a page that stays open overnight asks again. */
export const PAGE_TOKEN_HOURS = 12;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** What a ticket or a token says, under its signature. */
interface Grant {
  readonly id: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** ms since 1970. */
  readonly expiresAt: number;
}

export interface Signed {
  readonly text: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}

export interface SignInOffice {
  /** A ticket for a link, with what the principal may do in its tenant. */
  issueTicket(principal: Principal): Signed;
  /** Reads a ticket; throws `unauthenticated` if it is not good. Whether it was used before, only a store can tell. */
  readTicket(text: string): Grant;
  issueToken(grant: Pick<Grant, "tenant" | "scopes">): Signed;
  /** Who sends a request with a token of the page; null if it shows something else; throws `unauthenticated` if the token is not good. */
  principalOf(request: Request): Principal | null;
}

/** @param secret of the deployment: whoever has it can make tickets and tokens, and a new one ends them all */
export function createSignInOffice(secret: string, now: () => number = Date.now): SignInOffice {
  const tickets = signerOf(secret, TICKET_PURPOSE);
  const tokens = signerOf(secret, TOKEN_PURPOSE);

  return {
    issueTicket({ tenant, scopes }) {
      const expiresAt = now() + SIGN_IN_LINK_MINUTES * MINUTE_MS;
      return {
        text: tickets.sign({ id: crypto.randomUUID(), tenant, scopes: pageScopes(scopes), expiresAt }),
        expiresAt,
      };
    },
    readTicket(text) {
      const grant = tickets.read(text);
      if (grant === null || grant.expiresAt <= now()) throw badTicket();
      return grant;
    },
    issueToken({ tenant, scopes }) {
      const expiresAt = now() + PAGE_TOKEN_HOURS * HOUR_MS;
      const text = tokens.sign({ id: crypto.randomUUID(), tenant, scopes, expiresAt });
      return { text: `${TOKEN_PREFIX}${text}`, expiresAt };
    },
    principalOf(request) {
      const shown = /^Bearer +(tkpage_[^\s]+)$/i.exec(request.headers.get("Authorization") ?? "")?.[1];
      if (shown === undefined) return null;
      const grant = tokens.read(shown.slice(TOKEN_PREFIX.length));
      if (grant === null || grant.expiresAt <= now()) throw badToken();
      const { tenant, scopes, expiresAt } = grant;
      const kind = scopes.includes("admin") ? "admin" : "tenant-key";
      return { kind, id: "inspector", tenant, owner: ownerNamed(request), scopes, expiresAt };
    },
  };
}

/** Exchanges a link's ticket, once, for a token of the page. It is noted as used before anything is given for it. */
export async function exchangeTicket(
  office: SignInOffice,
  { useSignIn }: Pick<OperationsClient, "useSignIn">,
  ticket: string,
): Promise<{ token: string; expiresAt: string }> {
  const grant = office.readTicket(ticket);
  if (!(await useSignIn(grant.id, grant.expiresAt))) throw badTicket();
  const { text, expiresAt } = office.issueToken(grant);
  return { token: text, expiresAt: new Date(expiresAt).toISOString() };
}

/** The page has no use for calling the summarizer's own endpoint. */
function pageScopes(scopes: readonly Scope[]): Scope[] {
  return scopes.filter((scope) => scope !== "summarizer");
}

function signerOf(secret: string, purpose: string): { sign(grant: Grant): string; read(text: string): Grant | null } {
  const key = createHmac("sha256", secret).update(purpose).digest();
  const signatureOf = (text: string): Uint8Array => createHmac("sha256", key).update(text).digest();
  return {
    sign(grant) {
      const text = Buffer.from(JSON.stringify(grant), "utf8").toString("base64url");
      return `${text}.${Buffer.from(signatureOf(text)).toString("base64url")}`;
    },
    read(signed) {
      const [text = "", signature = "", ...rest] = signed.split(".");
      const given = Buffer.from(signature, "base64url");
      const expected = signatureOf(text);
      const isOurs = rest.length === 0 && given.byteLength === expected.byteLength && timingSafeEqual(given, expected);
      return isOurs ? JSON.parse(Buffer.from(text, "base64url").toString("utf8")) : null;
    },
  };
}

/** The same for a ticket that was never ours, one that is late and one that was used: who guesses learns nothing. */
function badTicket(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail: `This link is not good any more: it works once, within ${SIGN_IN_LINK_MINUTES} minutes. Get a new one with: npm run inspect. Or sign in with a key.`,
  });
}

function badToken(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail:
      "You were signed out: the sign-in by link is over. Get a new link with: npm run inspect. Or sign in with a key.",
  });
}
