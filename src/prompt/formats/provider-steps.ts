import type { Part } from "../../api/message.ts";
import { outputText, promptedOutput } from "../tool-output.ts";
import type { PartOf } from "./turns.ts";

/**
 * A call that a provider executed itself, such as a web search, with its result. It is part of the answer, not a call
 * for the client to run.
 */
export interface ProviderStep {
  readonly type: "provider-step";
  readonly call: PartOf<"tool-call">;
  readonly result: PartOf<"tool-result">;
}

/** How providers begin the ids of calls that they execute themselves. */
const ID_STARTS: readonly (readonly [string, string])[] = [
  ["srvtoolu_", "anthropic"],
  ["mcptoolu_", "anthropic"],
  ["ws_", "openai"],
  ["fs_", "openai"],
  ["ci_", "openai"],
  ["ig_", "openai"],
  ["mcp_", "openai"],
];

/** The providers that added options to a part, according to the option keys; none if there are no options. */
export function makersOf(part: { readonly providerOptions?: Readonly<Record<string, unknown>> | undefined }): string[] {
  return Object.keys(part.providerOptions ?? {});
}

/** Whether this provider executed the call. */
export function isRunBy(provider: string, call: PartOf<"tool-call">): boolean {
  const byId = ID_STARTS.find(([start]) => call.toolCallId.startsWith(start))?.[1];
  return byId === undefined ? makersOf(call).includes(provider) : byId === provider;
}

/**
 * Describes such a step in words, for other providers. Given as an ordinary call, the model would repeat it with a tool
 * that does not exist here.
 */
export function providerWords(call: PartOf<"tool-call">, result: Part | undefined): PartOf<"text"> {
  const found = result?.type === "tool-result" ? outputText(promptedOutput(result.output)) : "";
  const told = found.trim() === "" ? "came back with nothing" : `came back with: ${found}`;
  return { type: "text", text: `(The provider's ${call.toolName}, given ${JSON.stringify(call.input)}, ${told})` };
}

/**
 * Replaces all provider-executed steps by words, for content that is going to be cut: a provider refuses a changed
 * result of its own.
 */
export function providerStepsInWords(parts: readonly Part[], tell = providerWords): Part[] {
  const own = new Map<string, PartOf<"tool-call">>();
  for (const part of parts)
    if (part.type === "tool-call" && part.providerExecuted === true) own.set(part.toolCallId, part);
  if (own.size === 0) return [...parts];
  const told: Part[] = [];
  for (const part of parts) {
    const call = part.type === "tool-result" ? own.get(part.toolCallId) : undefined;
    if (call !== undefined) {
      own.delete(call.toolCallId);
      told.push(tell(call, part));
    } else if (part.type !== "tool-call" || part.providerExecuted !== true) told.push(part);
  }
  return [...told, ...[...own.values()].map((call) => tell(call, undefined))];
}
