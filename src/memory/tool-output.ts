import { type ToolOutput, toolOutputSchema } from "../contracts/context.ts";
import type { Json } from "../contracts/text.ts";

/** A tool's output in the AI SDK's envelope. Only what is an envelope in every detail passes for one. */
export function toToolOutput(output: Json): ToolOutput {
  const parsed = toolOutputSchema.safeParse(output);
  if (parsed.success) return parsed.data;
  return typeof output === "string" ? { type: "text", value: output } : { type: "json", value: output };
}

/** A tool's output as a model reads it. */
export function outputText(output: ToolOutput): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return typeof output.value === "string" ? output.value : JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "execution denied";
    case "content":
      return output.value.map((entry) => (entry.type === "text" ? entry.text : `[${entry.type} left out]`)).join("\n");
  }
}

export function isFailure(output: ToolOutput): boolean {
  return output.type === "error-text" || output.type === "error-json" || output.type === "execution-denied";
}
