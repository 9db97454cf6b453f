// Requests to a running service, as far as the evaluations need its public API.

/** The address of a running service, and a key to it. */
export interface ServiceAddress {
  readonly url: string;
  readonly apiKey: string;
}

/** @throws Error with the answer, if its status is not a success */
export async function send(service: ServiceAddress, method: string, path: string, body?: unknown): Promise<unknown> {
  const text = await sendForText(service, method, path, body);
  return text === "" ? null : JSON.parse(text);
}

/** The same for an answer that is not JSON. */
export async function sendForText(
  service: ServiceAddress,
  method: string,
  path: string,
  body?: unknown,
): Promise<string> {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path} was answered ${response.status}: ${text}`);
  return text;
}
