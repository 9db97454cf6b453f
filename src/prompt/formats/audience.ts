import { isRunBy, makersOf } from "./provider-steps.ts";
import type { PartOf } from "./turns.ts";

/** What a prompt may carry of what only one provider understands. */
export interface Audience {
  takesReasoning(part: PartOf<"reasoning">): boolean;
  /** Of a call that a provider ran itself, with its result. */
  takesProviderStep(call: PartOf<"tool-call">, result: PartOf<"tool-result">): boolean;
  /** A text of nothing that carries a signature. */
  readonly takesSignedBlanks: boolean;
}

/** How what tools show goes into a prompt. */
export type ToolFiles = "named" | "sent";

export const NOBODY: Audience = {
  takesReasoning: () => false,
  takesProviderStep: () => false,
  takesSignedBlanks: false,
};

/** The AI SDK gives each provider its own: with a provider named, nothing of another is left in. */
export function aiSdkAudience(provider: string | undefined): Audience {
  if (provider === undefined) {
    return { takesReasoning: () => true, takesProviderStep: () => true, takesSignedBlanks: true };
  }
  return {
    takesReasoning: (part) => makersOf(part).length === 0 || makersOf(part).includes(provider),
    takesProviderStep: (call) => isRunBy(provider, call),
    takesSignedBlanks: true,
  };
}
