import type { Part } from "../../api/message.ts";
import { outputText, promptedOutput } from "../tool-output.ts";
import type { PartOf } from "./turns.ts";

/** A call that a provider ran itself, such as a search of the web, with what came of it. It is no call of ours, and has its place in what was said. */
export interface ProviderStep {
  readonly type: "provider-step";
  readonly call: PartOf<"tool-call">;
  readonly result: PartOf<"tool-result">;
}

/** How the ids of calls begin that a provider runs itself. */
const ID_STARTS: readonly (readonly [string, string])[] = [
  ["srvtoolu_", "anthropic"],
  ["mcptoolu_", "anthropic"],
  ["ws_", "openai"],
  ["fs_", "openai"],
  ["ci_", "openai"],
  ["ig_", "openai"],
  ["mcp_", "openai"],
];

/** The providers that made a part, by the keys of its options; none where nobody signed it. */
export function makersOf(part: { readonly providerOptions?: Readonly<Record<string, unknown>> | undefined }): string[] {
  return Object.keys(part.providerOptions ?? {});
}

/** Whether a call was run by this provider. */
export function isRunBy(provider: string, call: PartOf<"tool-call">): boolean {
  const byId = ID_STARTS.find(([start]) => call.toolCallId.startsWith(start))?.[1];
  return byId === undefined ? makersOf(call).includes(provider) : byId === provider;
}

/**
 * The step for a provider that did not run it. It was part of the answer, so the answer tells of it: as a call of ours a model would make
 * it again, with a tool that nobody has.
 */
export function providerWords(call: PartOf<"tool-call">, result: Part | undefined): PartOf<"text"> {
  const found = result?.type === "tool-result" ? outputText(promptedOutput(result.output)) : "";
  const told = found.trim() === "" ? "came back with nothing" : `came back with: ${found}`;
  return { type: "text", text: `(The provider's ${call.toolName}, given ${JSON.stringify(call.input)}, ${told})` };
}

/** The parts with what a provider ran told in words: it refuses a result that is no more as it gave it. */
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
