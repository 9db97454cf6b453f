/** The URIs of MCP resources. */

const SCHEME = "threadkeep";
export const CONTEXT_TEMPLATE = `${SCHEME}://sessions/{id}/context`;
export const SUMMARY_TEMPLATE = `${SCHEME}://sessions/{id}/summary`;
export const MESSAGE_TEMPLATE = `${SCHEME}://sessions/{id}/messages/{seq}`;

export function contextUri(sessionId: string): string {
  return CONTEXT_TEMPLATE.replace("{id}", sessionId);
}
