/**
 * `/llms.txt`: what an assistant that writes code against this service needs to know, as Markdown. The list of routes
 * is made from the OpenAPI document.
 */

import type { OpenApiDocument } from "./document-types.ts";

export function writeLlmsText(document: OpenApiDocument): string {
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { operationId, summary, tags }]) =>
        `- [${method.toUpperCase()} ${path}](/docs#/${tags[0]}/${operationId}): ${summary}`,
    ),
  );
  return `# Threadkeep

> The short-term memory of a chat. Append each turn; get back a prompt that fits a token budget: a summary of the older turns, old messages that are relevant to the question, and the recent messages verbatim.

- Base URL: the origin of this file. All routes are under \`/v1\`, JSON in and out.
- Authentication: \`Authorization: Bearer KEY\`. A tenant's key acts for one of its users with the header \`Threadkeep-User\`. Never put a key into a page: a browser uses its user's own token, or a ticket.
- One request appends a message and returns the prompt: \`POST /v1/sessions/{sessionId}/messages\` with \`{"messages": [{"id": "turn-1", "role": "user", "content": "…"}], "context": {"format": "openai-chat", "query": "auto"}}\`. The session is created by its first message. Send \`context.messages\` to the model as it is, then append the answer with the role \`assistant\`.
- Give each message an id of your own: a retry then stores nothing twice.
- Formats of a context: \`threadkeep\`, \`openai-chat\`, \`openai-responses\`, \`anthropic\`, \`ai-sdk\`, \`ui\`, \`text\`.
- Errors are RFC 9457 problem details with a stable \`code\`; \`detail\` says what to do next; \`errors\` has the path of each fault. On 429 and 503 wait for \`Retry-After\` and repeat the request.
- Lists have \`data\`, \`hasMore\` and \`nextCursor\`; ask for the next page with \`cursor\`.
- JavaScript: the package \`threadkeep-client\`: \`createClient({ url, key, user }).session(id).append(text, { context: { format: "openai-chat" } })\`.
- Agents: MCP over Streamable HTTP at \`/mcp\`.

## Machine-readable

- [OpenAPI 3.1](/openapi.json): every route, schema, example and error

## Routes

${routes.join("\n")}
`;
}
