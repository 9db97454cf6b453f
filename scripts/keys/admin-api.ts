// An operator's requests. They are never repeated, because repeating the creation of a key would make two.
import { problemSchema } from "../../src/api/errors.ts";

/** Longer than any of these routes takes. */
const REQUEST_TIMEOUT_MS = 30_000;

/** The service refused, or did not answer; the message says what to do. */
export class AdminFault extends Error {
  override readonly name = "AdminFault";
}

export interface AdminTarget {
  readonly url: string;
  readonly adminKey: string;
}

export type AdminSend = (method: string, path: string, body?: unknown) => Promise<unknown>;

export function createAdminSend({ url, adminKey }: AdminTarget): AdminSend {
  const base = url.replace(/\/+$/, "");
  return async (method, path, body) => {
    const { status, text } = await exchange(base + path, {
      method,
      headers: {
        authorization: `Bearer ${adminKey}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      redirect: "error",
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const answer = parseJson(text);
    if (status >= 200 && status < 300 && answer !== undefined) return answer;
    throw new AdminFault(reasonOf(base, status, answer));
  };
}

async function exchange(address: string, init: RequestInit): Promise<{ status: number; text: string }> {
  try {
    const response = await fetch(address, init);
    return { status: response.status, text: await response.text() };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new AdminFault(
      `${address} did not answer (${reason}). Whether it did what was asked is not known: list what there is before you ask again.`,
      { cause: error },
    );
  }
}

function reasonOf(base: string, status: number, answer: unknown): string {
  const problem = problemSchema.safeParse(answer);
  if (!problem.success) return `${base} answered HTTP ${status}, not as Threadkeep does. Is --url right?`;
  const { code, detail, errors = [] } = problem.data;
  if (code === "unauthenticated" || code === "forbidden") {
    return `${code}: this is not the admin key of ${base}. Set THREADKEEP_ADMIN_KEY to the secret of that deployment.`;
  }
  const successor = problem.data["rotatedTo"];
  const faults = errors.map((fault) => `\n  ${fault.path} ${fault.detail}`).join("");
  return `${code}: ${detail}${typeof successor === "string" ? ` (rotatedTo: ${successor})` : ""}${faults}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
