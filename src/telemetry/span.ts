import { tracing } from "cloudflare:workers";
import type { SpanText } from "./span-text.ts";

/**
 * Sets the name and attributes of the platform's own span of this invocation. The platform names it by the HTTP method
 * and records the full URL, which contains ids of sessions, messages and users, so both are overwritten.
 */
export function describeInvocation({ name, attributes }: SpanText): void {
  // There is no span to overwrite if the invocation is not traced.
  const span = tracing.getActiveSpan();
  if (span?.isTraced !== true) return;
  span.updateName(name).setAttributes({ ...attributes });
}
