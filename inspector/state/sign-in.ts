/** Who is signed in. Everything is kept in memory, so reloading or closing the page signs out. */

import { computed, signal } from "@preact/signals";
import { ask, credentials, user, whenRefused } from "../api.ts";
import { problem, showProblem } from "./problem.ts";

/** The answer of `GET /inspector/caller`. */
export interface Caller {
  readonly kind: "tenant-key" | "user" | "admin";
  readonly tenant: string;
  readonly owner: string;
  readonly scopes: readonly string[];
  readonly expiresAt: string | null;
  /** The model that callers with the right scope may ask; null if there is none. */
  readonly model: string | null;
}

export interface SignInMethods {
  /** Whether users' tokens are accepted. */
  readonly tokens: boolean;
  /** Addresses of Supabase projects whose users can sign in with their password. */
  readonly supabase: readonly string[];
}

export const caller = signal<Caller | null>(null);
/** A user's token is for one user; a key may act for any user. */
export const canSwitchUser = computed(() => caller.value !== null && caller.value.kind !== "user");
export const may = (scope: string): boolean => caller.value?.scopes.includes(scope) === true;
export const isOperator = computed(() => may("admin"));

const LINK = /^#sign-in=(.+)$/;

/** Exchanges the ticket of the sign-in link that opened the page. */
export async function signInByLink(): Promise<void> {
  const ticket = LINK.exec(location.hash)?.[1];
  if (ticket === undefined) return;
  history.replaceState(null, "", `${location.pathname}#/`);
  try {
    const { token } = await ask<{ token: string }>("POST", "/inspector/sign-in", { body: { ticket } });
    await signIn(token);
  } catch (error) {
    showProblem(error);
  }
}

/** Throws if the credentials are refused; they are then not kept. */
export async function signIn(bearer: string): Promise<void> {
  credentials.value = { bearer };
  try {
    const found = await ask<Caller>("GET", "/inspector/caller", { user: "" });
    if (!found.scopes.includes("memory:read")) {
      throw new Error("This key may not read any chat: it lacks the scope memory:read. Use one that has it.");
    }
    // A user may not see the sessions of whom a key showed before.
    if (found.kind === "user") user.value = "";
    caller.value = found;
  } catch (error) {
    credentials.value = null;
    throw error;
  }
}

/** Signs in with a Supabase project: the page asks it for a token, as an application would. */
export async function signInWithSupabase(project: {
  readonly issuer: string;
  readonly publishableKey: string;
  readonly email: string;
  readonly password: string;
}): Promise<void> {
  const { issuer, publishableKey, email, password } = project;
  const response = await fetch(`${issuer}/token?grant_type=password`, {
    method: "POST",
    headers: { "Content-Type": "application/json", apikey: publishableKey },
    body: JSON.stringify({ email, password }),
    credentials: "omit",
  }).catch(() => {
    throw new Error(`${new URL(issuer).host} does not answer. Check your connection, then try again.`);
  });
  const answer = (await response.json().catch(() => ({}))) as { access_token?: string; msg?: string };
  if (answer.access_token === undefined) {
    throw new Error(
      answer.msg ?? `${new URL(issuer).host} refused the sign-in. Check the e-mail, the password and the key.`,
    );
  }
  await signIn(answer.access_token);
}

export function signOut(): void {
  credentials.value = null;
  caller.value = null;
  user.value = "";
  location.hash = "#/";
}

/** The address is kept, so that signing in again returns to the same view. */
whenRefused((why) => {
  if (caller.value === null) return;
  credentials.value = null;
  caller.value = null;
  problem.value = why;
});
