/** The inspector, the page at `/`, and signing in to it. Its sources are in `inspector/`. */

import type { Context, Hono } from "hono";
import { z } from "zod";
import { ThreadkeepError } from "../../api/errors.ts";
import { scopesOf } from "../../api/requests.ts";
import { answerSession, type ChatDesk } from "../../usecases/answer.ts";
import type { RequestContext } from "../../usecases/request-context.ts";
import { createSignInLink, type SignInOffice } from "../../usecases/sign-in.ts";
import type { HttpEnv } from "../env.ts";
import { readJsonBody } from "../json-body.ts";
import { liveLinesAnswer } from "../json-lines.ts";
import { builtFile, type ReadFile } from "./built-file.ts";

export interface InspectorOptions {
  readonly signIns: SignInOffice;
  /** Exchanges a link's ticket for an inspector token, once. */
  readonly signIn: (ticket: string) => Promise<{ token: string; expiresAt: string }>;
  /** The issuers whose user tokens are accepted. */
  readonly issuers: readonly string[];
  /** The model that answers turns in the inspector's chat. */
  readonly chat: ChatDesk;
}

/** The inspector's paths that require a key; all others are public. */
export const INSPECTOR_PATHS_WITH_KEY = ["/inspector/links", "/inspector/caller", "/inspector/sessions/*"];

/** The largest body of a sign-in, in bytes. A ticket has about 400 characters. */
const MAX_SIGN_IN_BYTES = 4_096;

const signInSchema = z.strictObject({ ticket: z.string().min(1) });

export function mountInspector(
  app: Hono<HttpEnv>,
  readFile: ReadFile,
  { signIns, signIn, issuers, chat }: InspectorOptions,
  callOf: (c: Context<HttpEnv>) => RequestContext,
): void {
  const supabase = issuers.filter(isSupabase);
  const policy = inspectorPolicy(supabase);

  app.get("/", async () => {
    const headers = { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy };
    return builtFile(readFile, "/index.html", headers);
  });

  app.get("/inspector/sign-in-methods", (c) => c.json({ tokens: issuers.length > 0, supabase }));

  app.post("/inspector/links", async (c) => c.json(await createSignInLink(callOf(c), signIns), 201));

  app.post("/inspector/sign-in", async (c) => {
    const body = signInSchema.safeParse(await readJsonBody(c.req.raw, MAX_SIGN_IN_BYTES));
    if (body.success) return c.json(await signIn(body.data.ticket));
    throw new ThreadkeepError({ code: "validation_failed", detail: 'Send {"ticket": "…"}, as the link has it.' });
  });

  app.get("/inspector/caller", (c) => {
    const { kind, tenant, owner, scopes, expiresAt } = callOf(c).principal;
    const until = expiresAt === undefined ? null : new Date(expiresAt).toISOString();
    // The model's name is shown only to callers who may use it.
    const model = chat.model !== null && scopesOf(["answerSession"]).every((scope) => scopes.includes(scope));
    return c.json({ kind, tenant, owner, scopes, expiresAt: until, model: model ? chat.model?.name : null });
  });

  app.post("/inspector/sessions/:session/answer", async (c) => {
    const { lines, stop } = await answerSession(callOf(c), c.req.param("session"), chat);
    return liveLinesAnswer(lines, stop);
  });
}

/**
 * Whether people can sign in at this issuer, which Supabase offers beside issuing tokens. The local issuer of `npm
 * start` has no port and no sign-in.
 */
function isSupabase(issuer: string): boolean {
  const { protocol, port, pathname } = new URL(issuer);
  return pathname === "/auth/v1" && (protocol === "https:" || port !== "");
}

/**
 * The page's content security policy: it may run only its own files, and connect only to this service and the issuers
 * at which people sign in.
 * @internal A test compares the whole policy with what is documented.
 */
export function inspectorPolicy(issuers: readonly string[]): string {
  const connect = ["'self'", ...new Set(issuers.map((issuer) => new URL(issuer).origin))];
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src ${connect.join(" ")}`,
    "img-src 'self' data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    // The browser refuses to turn text into HTML.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
