// Requests to the service that a drill runs on.

export interface Target {
  readonly url: string;
  readonly apiKey: string;
  readonly adminKey: string;
}

export interface Answer {
  readonly status: number;
  /** The body as JSON; null if it is empty or not JSON. The caller parses it. */
  readonly body: unknown;
}

export interface Asked {
  readonly method?: "GET" | "POST" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly asOperator?: boolean;
  /** The user that the application acts for; omit it to act for the tenant itself. */
  readonly user?: string;
}

/** Longer than any request takes that is answered at all. */
const TIMEOUT_MS = 30_000;

/** Rejects if there is no answer. */
export async function send(
  { url, apiKey, adminKey }: Target,
  path: string,
  { method = "GET", body, asOperator = false, user }: Asked = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${asOperator ? adminKey : apiKey}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(user === undefined ? {} : { "threadkeep-user": user }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const text = await response.text();
  return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : null };
}
