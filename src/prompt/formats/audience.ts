import { isRunBy, makersOf } from "./provider-steps.ts";
import type { PartOf } from "./turns.ts";

/** Says which parts a provider accepts that only one provider understands. */
export interface Audience {
  takesReasoning(part: PartOf<"reasoning">): boolean;
  /** For a call that the provider executed itself, with its result. */
  takesProviderStep(call: PartOf<"tool-call">, result: PartOf<"tool-result">): boolean;
  /** Whether empty texts are kept if they carry a provider's signature. */
  readonly takesSignedBlanks: boolean;
}

/** How files in tool results are put into a prompt: described in words, or sent. */
export type ToolFiles = "named" | "sent";

export const NOBODY: Audience = {
  takesReasoning: () => false,
  takesProviderStep: () => false,
  takesSignedBlanks: false,
};

/**
 * The AI SDK filters provider data itself. If the caller names the provider, data of other providers is removed here.
 */
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
