/**
 * Calls the service's HTTP API with credentials that exist only in the page's memory: nothing is stored, and no address
 * contains a key.
 */

import { signal } from "@preact/signals";
import type { Problem } from "../src/api/errors.ts";

export interface Credentials {
  /** An API key, a user's token, or a token made for this page. */
  readonly bearer: string;
}

export const credentials = signal<Credentials | null>(null);
/** The user whose sessions are shown; empty for the sessions of the application itself. */
export const user = signal("");
/** Until when the service asked us to wait, in ms since 1970; null if it did not. */
export const waitingUntil = signal<number | null>(null);

/** If the service asks to wait at most this long, the page waits and repeats the request by itself. */
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
  /** A body that is sent unchanged, as JSON Lines. */
  readonly lines?: string | Blob;
  readonly signal?: AbortSignal;
  /** Overrides the user whose sessions are shown. */
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
    // A rate-limited request was not carried out, so it may be repeated whatever it was.
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
  // Percent-encoded as in RFC 8187, because a header may contain only ASCII.
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
/** Sets what to do when the service no longer accepts the credentials; it is told why. */
export function whenRefused(act: (why: string) => void): void {
  onRefused = act;
}

export const sessionPath = (id: string): string => `/v1/sessions/${encodeURIComponent(id)}`;
