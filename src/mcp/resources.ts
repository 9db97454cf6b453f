/** Sessions as MCP resources, for people who choose what goes into a prompt. */

import { type McpServer, type ReadResourceResult, ResourceTemplate } from "@modelcontextprotocol/server";
import { ThreadkeepError } from "../api/errors.ts";
import { DEFAULT_PAGE_SIZE, MAX_MCP_TOKENS } from "../api/limits.ts";
import { faultOf } from "../api/problem.ts";
import type { RequestAction } from "../api/requests.ts";
import { listMessages } from "../usecases/messages.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { listSessions } from "../usecases/sessions.ts";
import { listSummaries } from "../usecases/summaries.ts";
import { completionsFor } from "./completions.ts";
import { readContextText } from "./context-text.ts";
import { protocolError } from "./faults.ts";
import { fence } from "./fenced-text.ts";
import { CONTEXT_TEMPLATE, contextUri, MESSAGE_TEMPLATE, SUMMARY_TEMPLATE } from "./memory-uri.ts";
import { tellMessages, tellNext } from "./messages-text.ts";
import { challengeFor } from "./scope-challenge.ts";
import { tellSummary } from "./summary-text.ts";
import type { OnFault } from "./tool-server.ts";

/** The budget of a context, in tokens. Somebody who chooses a context wants more than a tool returns by default. */
const CONTEXT_TOKENS = 8_000;
const SUMMARY_TOKENS = 8_000;

interface ResourceSpec {
  readonly name: string;
  readonly template: string;
  readonly title: string;
  readonly description: string;
  /** The requests that it makes. */
  readonly actions: readonly RequestAction[];
  read(call: RequestContext, sessionId: string, seq: number): Promise<string>;
}

/** @internal Tests read each resource of the list. */
export const resources: readonly ResourceSpec[] = [
  {
    name: "context",
    template: CONTEXT_TEMPLATE,
    title: "Context of a session",
    description: "Its summary and its newest messages, ready for a prompt",
    actions: ["readContext"],
    async read(call, sessionId) {
      const { memory, more } = await readContextText(call, sessionId, { maxTokens: CONTEXT_TOKENS, query: "auto" });
      return `${memory}\n\n${more}`;
    },
  },
  {
    name: "summary",
    template: SUMMARY_TEMPLATE,
    title: "Summary of a session",
    description: "Facts, preferences, decisions, tasks, questions and events, each with the messages that it cites",
    actions: ["listSummaries"],
    async read(call, sessionId) {
      const [newest] = (await listSummaries(call, sessionId, { limit: 1 })).data;
      if (newest === undefined) return fence("(there is no summary yet)");
      const { memory, left } = tellSummary(newest, SUMMARY_TOKENS);
      return left === 0
        ? memory
        : `${memory}\n\n${left} items did not fit. For more: summarize_session with a larger maxTokens.`;
    },
  },
  {
    name: "message",
    template: MESSAGE_TEMPLATE,
    title: "A message of a session",
    description: "One message verbatim, by its number in the session",
    actions: ["listMessages"],
    async read(call, sessionId, seq) {
      const place = Number.isSafeInteger(seq) && seq > 0 ? seq : 0;
      const { data } = await listMessages(call, sessionId, { afterSeq: Math.max(0, place - 1), limit: 1 });
      if (data[0]?.seq !== place) {
        const detail = "The session has no such message. Messages are numbered from 1 to the session's lastSeq.";
        throw new ThreadkeepError({ code: "message_not_found", detail });
      }
      const { lines, next } = tellMessages(data, 0, MAX_MCP_TOKENS);
      const memory = fence(lines.join("\n\n"));
      return next === null ? memory : `${memory}\n\n${tellNext(next)}`;
    },
  },
];

export function registerResources(server: McpServer, call: RequestContext, onFault: OnFault): void {
  const completions = completionsFor(call, onFault);
  const complete = {
    id: (value: string) => completions.sessionId(value),
    seq: (value: string, context?: { readonly arguments?: Record<string, string> }) =>
      completions.seq(value, context?.arguments?.["id"]),
  };
  for (const { name, template, title, description, actions, read } of resources) {
    server.registerResource(
      name,
      new ResourceTemplate(template, { list: undefined, complete }),
      { title, description, mimeType: "text/plain", scopeChallenge: challengeFor(call, actions, onFault) },
      async (uri, { id, seq }): Promise<ReadResourceResult> => {
        try {
          const text = await read(call, String(id), Number(seq));
          return { contents: [{ uri: uri.href, mimeType: "text/plain", text }] };
        } catch (thrown) {
          const fault = faultOf(thrown);
          onFault(fault, thrown);
          throw protocolError(fault, call.requestId, uri.href);
        }
      },
    );
  }
  // Replaces the SDK's handler, which does not support pages.
  server.server.setRequestHandler("resources/list", async ({ params }) => {
    try {
      const page = await listSessions(call, { limit: DEFAULT_PAGE_SIZE, cursor: params?.cursor });
      return {
        resources: page.data.map(({ id, createdAt }) => ({
          uri: contextUri(id),
          name: id,
          title: `Context of session ${id}`,
          description: `Created ${createdAt}`,
          mimeType: "text/plain",
        })),
        ...(page.nextCursor === null ? {} : { nextCursor: page.nextCursor }),
      };
    } catch (thrown) {
      const fault = faultOf(thrown);
      onFault(fault, thrown);
      throw protocolError(fault, call.requestId);
    }
  });
}
