import { tracing } from "cloudflare:workers";
import type { SpanText } from "./span-text.ts";

/**
 * Says what the platform's own span of this invocation is about. The platform names it by the method alone, and notes the whole address
 * of a request, in which ids of sessions, messages and users stand: both are written over.
 */
export function describeInvocation({ name, attributes }: SpanText): void {
  // The trace is not recorded, or nobody records any: there is nothing to write over.
  const span = tracing.getActiveSpan();
  if (span?.isTraced !== true) return;
  span.updateName(name).setAttributes({ ...attributes });
}
