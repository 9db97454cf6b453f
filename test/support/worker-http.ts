import { exports } from "cloudflare:workers";
import { TEST_WORKER_BINDINGS } from "./worker-bindings.ts";

/** Requests to the Worker of the tests, through its entry. */

export interface JsonAnswer<Body = Record<string, unknown>> {
  readonly status: number;
  /** Null if the answer is not JSON. */
  readonly body: Body;
}

export interface HttpAnswer<Body = Record<string, unknown>> extends JsonAnswer<Body> {
  readonly text: string;
}

export interface Sender {
  /** By default the key of the tenant `test`. */
  readonly key?: string | undefined;
  readonly user?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body of text or bytes is sent as JSON Lines. */
export async function send<Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  { key = TEST_WORKER_BINDINGS.THREADKEEP_API_KEY, user, headers }: Sender = {},
): Promise<HttpAnswer<Body>> {
  const isLines = typeof body === "string" || body instanceof Uint8Array || body instanceof ReadableStream;
  const response = await exports.default.fetch(
    new Request(`http://threadkeep.test${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(user === undefined ? {} : { "threadkeep-user": user }),
        "content-type": isLines ? "application/x-ndjson" : "application/json",
        ...headers,
      },
      ...(body === undefined ? {} : { body: isLines ? body : JSON.stringify(body) }),
    }),
  );
  // Not text(): the runtime warns about that for JSON Lines.
  const text = new TextDecoder().decode(await response.arrayBuffer());
  return { status: response.status, text, body: parsed(text) as Body };
}

/** With the operator's key, or a given other one. */
export async function sendAsAdmin<Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  key: string = TEST_WORKER_BINDINGS.THREADKEEP_ADMIN_KEY,
): Promise<JsonAnswer<Body>> {
  const answer = await send<Body>(method, path, body, { key });
  return { status: answer.status, body: answer.body };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
