/** The page at `/`, the inspector, and how people sign in to it. Its sources are in `inspector/`. */

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
  /** Exchanges a link's ticket, once, for a token of the page. */
  readonly signIn: (ticket: string) => Promise<{ token: string; expiresAt: string }>;
  /** Whose tokens of users are taken. */
  readonly issuers: readonly string[];
  /** The model that answers turns which are tried out. */
  readonly chat: ChatDesk;
}

/** What is behind a key here; everything else is open. */
export const INSPECTOR_PATHS_WITH_KEY = ["/inspector/links", "/inspector/caller", "/inspector/sessions/*"];

/** A ticket has some 400 characters. */
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
    // Who may not ask it need not know which there is.
    const model = chat.model !== null && scopesOf(["answerSession"]).every((scope) => scopes.includes(scope));
    return c.json({ kind, tenant, owner, scopes, expiresAt: until, model: model ? chat.model?.name : null });
  });

  app.post("/inspector/sessions/:session/answer", async (c) => {
    const { lines, stop } = await answerSession(callOf(c), c.req.param("session"), chat);
    return liveLinesAnswer(lines, stop);
  });
}

/** Where Supabase issues tokens, it also signs people in. What `npm start` issues itself has no port, and nobody to ask. */
function isSupabase(issuer: string): boolean {
  const { protocol, port, pathname } = new URL(issuer);
  return pathname === "/auth/v1" && (protocol === "https:" || port !== "");
}

/** Its own files alone run in it, and it asks nobody but this service, and the issuers that people sign in with. */
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
    // The browser itself refuses to turn a text into HTML.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}
