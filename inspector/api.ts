/** The service's HTTP API, asked with what the page holds in memory alone: nothing is stored, and no address has a key. */

import { signal } from "@preact/signals";
import type { Problem } from "../src/api/errors.ts";

export interface Credentials {
  /** A key, a user's token, or a token of this page. */
  readonly bearer: string;
}

export const credentials = signal<Credentials | null>(null);
/** Whose sessions are shown; empty: those of the application itself. */
export const user = signal("");
/** Until when the service asked to wait, in ms since 1970; null: it did not. */
export const waitingUntil = signal<number | null>(null);

/** Where it asks to wait no longer than this, the page waits and asks again by itself. */
const LONGEST_WAIT_SECONDS = 15;
const MAX_WAITS = 4;

export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface Asked {
  readonly query?: Readonly<Record<string, string | number | null | undefined>>;
  readonly body?: unknown;
  /** Sent as it is, as JSON Lines. */
  readonly lines?: string | Blob;
  readonly signal?: AbortSignal;
  /** Instead of the user who is shown. */
  readonly user?: string;
}

export async function ask<T>(method: string, path: string, asked: Asked = {}): Promise<T> {
  const response = await send(method, path, asked);
  return (await response.json()) as T;
}

export async function send(method: string, path: string, asked: Asked = {}): Promise<Response> {
  for (let waits = 0; ; waits += 1) {
    const response = await sendOnce(method, path, asked);
    if (response.ok) return response;
    const error = await errorOf(response);
    const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
    // Whatever it was, nothing was done yet.
    const mayAskAgain = error.code === "rate_limited" && waits < MAX_WAITS && seconds <= LONGEST_WAIT_SECONDS;
    if (!mayAskAgain) throw error;
    await wait(seconds, asked.signal);
  }
}

async function wait(seconds: number, aborted: AbortSignal | undefined): Promise<void> {
  const until = Date.now() + seconds * 1_000;
  waitingUntil.value = Math.max(until, waitingUntil.value ?? 0);
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, until - Date.now());
    aborted?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
  if (waitingUntil.value === until) waitingUntil.value = null;
}

async function sendOnce(method: string, path: string, asked: Asked): Promise<Response> {
  const url = new URL(path, location.origin);
  for (const [name, value] of Object.entries(asked.query ?? {})) {
    if (value !== null && value !== undefined && value !== "") url.searchParams.set(name, String(value));
  }
  const { body, lines } = asked;
  try {
    return await fetch(url, {
      method,
      headers: headersOf(asked),
      cache: "no-store",
      credentials: "omit",
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(lines === undefined ? {} : { body: lines }),
      ...(asked.signal === undefined ? {} : { signal: asked.signal }),
    });
  } catch (error) {
    if (asked.signal?.aborted === true) throw error;
    throw new ApiError(0, "unreachable", "The service does not answer. Is it running? Nothing was lost: try again.");
  }
}

function headersOf({ body, lines, user: owner = user.value }: Asked): Record<string, string> {
  const headers: Record<string, string> = {};
  if (credentials.value !== null) headers["Authorization"] = `Bearer ${credentials.value.bearer}`;
  // Percent-encoded behind a mark, as RFC 8187 has it: a header holds ASCII alone.
  if (owner !== "") headers["Threadkeep-User"] = `UTF-8''${encodeURIComponent(owner)}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (lines !== undefined) headers["Content-Type"] = "application/x-ndjson";
  return headers;
}

async function errorOf(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => null)) as Problem | null;
  const { status } = response;
  if (status === 401) onRefused(problem?.detail ?? "You were signed out.");
  if (problem?.detail === undefined) return new ApiError(status, "unknown", `The service answered ${status}.`);
  const faults = (problem.errors ?? []).map(({ path, detail }) => ` ${path} ${detail}.`).join("");
  return new ApiError(status, problem.code, `${problem.detail}${faults}`);
}

let onRefused = (_why: string): void => undefined;
/** What to do when what was shown is not good any more; it is told why. */
export function whenRefused(act: (why: string) => void): void {
  onRefused = act;
}

export const sessionPath = (id: string): string => `/v1/sessions/${encodeURIComponent(id)}`;
