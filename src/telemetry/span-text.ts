/** The name and attributes of a span, by the semantic conventions of OpenTelemetry. */
export interface SpanText {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/**
 * The span of a request, by https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
 * @param route the route's template, such as `/v1/sessions/{sessionId}`; null if no route matches
 */
export function spanOfRequest(method: string, url: string, route: string | null): SpanText {
  const path = route ?? "/{unknown}";
  // The URL of a malformed request cannot be parsed, for example with the path `*`.
  const origin = URL.canParse(url) ? new URL(url).origin : "";
  return {
    name: route === null ? method : `${method} ${route}`,
    attributes: {
      "url.full": origin + path,
      "url.path": path,
      ...(route === null ? {} : { "http.route": route }),
    },
  };
}

/** The span of a queue delivery, by https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/. */
export function spanOfDelivery(queue: string, messages: number): SpanText {
  return {
    name: `process ${queue}`,
    attributes: {
      "messaging.system": "cloudflare_queues",
      "messaging.operation.type": "process",
      "messaging.operation.name": "process",
      "messaging.destination.name": queue,
      "messaging.batch.message_count": messages,
    },
  };
}
