/** Prompts that people choose from a menu: they start a turn with the context of a session. */

import { completable, type GetPromptResult, type McpServer } from "@modelcontextprotocol/server";
import { z } from "zod";
import { parseBody } from "../api/faults.ts";
import { faultOf } from "../api/problem.ts";
import type { RequestAction } from "../api/requests.ts";
import { sessionIdSchema } from "../api/session.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { completionsFor } from "./completions.ts";
import { readContextText } from "./context-text.ts";
import { protocolError } from "./faults.ts";
import { challengeFor } from "./scope-challenge.ts";
import type { OnFault } from "./tool-server.ts";

const CONTEXT_TOKENS = 8_000;

interface PromptSpec {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** The requests that it makes. */
  readonly actions: readonly RequestAction[];
  /** The user's request, which comes before the context. */
  ask(sessionId: string): string;
}

/** @internal Tests ask for each prompt of the list. */
export const prompts: readonly PromptSpec[] = [
  {
    name: "continue_session",
    title: "Continue a conversation",
    description: "Continues a conversation where it ended",
    actions: ["readContext"],
    ask: (sessionId) =>
      `Let us continue our conversation, session ${sessionId}. Below is what it is about. Continue as if there had been no break: do not repeat it to me, and do not ask for anything that it already says. Append everything that we say from now on to the same session with append_messages.`,
  },
  {
    name: "catch_up",
    title: "Catch up on a conversation",
    description: "Reports where a conversation stands: decisions, tasks and open questions",
    actions: ["readContext"],
    ask: (sessionId) =>
      `Tell me where the conversation of session ${sessionId} stands, in a few lines: what was decided, what is to be done and by whom, and which questions are open. Use only what is below, and say so if it does not contain something.`,
  },
];

const argumentsSchema = z.strictObject({ sessionId: sessionIdSchema });

export function registerPrompts(server: McpServer, call: RequestContext, onFault: OnFault): void {
  const completions = completionsFor(call, onFault);
  const sessionId = completable(z.string().describe("The session to read"), (value) => completions.sessionId(value));
  for (const { name, title, description, actions, ask } of prompts) {
    const scopeChallenge = challengeFor(call, actions, onFault);
    server.registerPrompt(
      name,
      { title, description, argsSchema: z.object({ sessionId }), scopeChallenge },
      async (args) => {
        try {
          const { sessionId: session } = parseBody(argumentsSchema, args);
          const { memory, more } = await readContextText(call, session, { maxTokens: CONTEXT_TOKENS, query: "auto" });
          return asked(`${ask(session)}\n\n${memory}\n\n${more}`);
        } catch (thrown) {
          const fault = faultOf(thrown);
          onFault(fault, thrown);
          throw protocolError(fault, call.requestId);
        }
      },
    );
  }
}

function asked(text: string): GetPromptResult {
  return { messages: [{ role: "user", content: { type: "text", text } }] };
}
