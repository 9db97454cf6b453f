import { ThreadkeepError } from "../api/errors.ts";
import type { Principal, Scope } from "../api/principal.ts";
import type { OperationsClient } from "../control/client.ts";
import { ownerNamed } from "./authenticate.ts";
import { createSigner } from "./signed-text.ts";

/**
 * Signing in to the inspector by a link. The link contains a ticket that works once, within minutes, so a link in a
 * terminal's history is useless later. The page exchanges the ticket for a token that it keeps in memory only, so no
 * key is ever in a URL or in browser storage.
 */

/** A ticket is never accepted as a token, nor as a ticket of the live feed. */
const TICKET_PURPOSE = "threadkeep sign-in ticket v1";
const TOKEN_PURPOSE = "threadkeep inspector token v1";

/** Distinguishes the inspector's tokens from keys and users' tokens. */
const TOKEN_PREFIX = "tkpage_";
/** Enough time to start a browser, or to send the link to a colleague. */
const SIGN_IN_LINK_MINUTES = 15;
/** A working day: a page that stays open overnight has to sign in again. */
const PAGE_TOKEN_HOURS = 12;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** The signed content of a ticket or a token. */
interface Grant {
  readonly id: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** ms since 1970. */
  readonly expiresAt: number;
}

interface Signed {
  readonly text: string;
  /** ms since 1970. */
  readonly expiresAt: number;
}

export interface SignInOffice {
  /** Issues a ticket for a link, with the principal's tenant and scopes. */
  issueTicket(principal: Principal): Signed;
  /**
   * Verifies a ticket's signature and expiry; throws `unauthenticated`. It cannot tell whether the ticket was used
   * before: that is stored in the Operations object.
   */
  readTicket(text: string): Grant;
  issueToken(grant: Pick<Grant, "tenant" | "scopes">): Signed;
  /**
   * Identifies the sender of a request with an inspector token. Null if the request has another credential; throws
   * `unauthenticated` if the token is not valid.
   */
  principalOf(request: Request): Principal | null;
}

/**
 * @param secret a secret of the deployment. Whoever has it can make tickets and tokens; changing it invalidates them
 * all
 */
export function createSignInOffice(secret: string, now: () => number = Date.now): SignInOffice {
  const tickets = createSigner<Grant>(secret, TICKET_PURPOSE);
  const tokens = createSigner<Grant>(secret, TOKEN_PURPOSE);

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

/**
 * Exchanges a link's ticket for a token, once. The ticket is recorded as used before the token is issued.
 * @throws {ThreadkeepError} `unauthenticated` if the ticket is invalid, expired or used
 */
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

/** The page never calls the summarizer's endpoint, so its token lacks that scope. */
function pageScopes(scopes: readonly Scope[]): Scope[] {
  return scopes.filter((scope) => scope !== "summarizer");
}

/** The same error for a forged, an expired and a used ticket, so that guessing reveals nothing. */
function badTicket(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail: `This link is not valid any more: a link works once, within ${SIGN_IN_LINK_MINUTES} minutes. Get a new one with: npm run inspect. Or sign in with a key.`,
  });
}

function badToken(): ThreadkeepError {
  return new ThreadkeepError({
    code: "unauthenticated",
    detail:
      "You were signed out: the sign-in by link is over. Get a new link with: npm run inspect. Or sign in with a key.",
  });
}
