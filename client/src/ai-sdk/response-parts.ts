import type { ModelMessage } from "ai";
import { toBase64 } from "../base64.ts";
import type { Part } from "../contract.ts";
import { approvalOf, toJson } from "./ui-parts.ts";

type ResponsePart = Exclude<ModelMessage["content"], string>[number];

/** What a model said in all its steps, tools' results among it, as the parts of the one message that a user sees. */
export function toResponseParts(messages: readonly ModelMessage[]): Part[] {
  const approvals = approvalsIn(messages);
  return messages
    .flatMap(({ content }): Part[] =>
      typeof content === "string" ? (content === "" ? [] : [{ type: "text", text: content }]) : content.flatMap(toPart),
    )
    .map((part) => (part.type === "tool-call" ? { ...part, ...approvals.get(part.toolCallId) } : part));
}

/** What is asked of the user about a call stands in its part, as a page shows it. */
function approvalsIn(messages: readonly ModelMessage[]): Map<string, ReturnType<typeof approvalOf>> {
  const parts = messages.flatMap(({ content }): ResponsePart[] => (typeof content === "string" ? [] : [...content]));
  const answers = new Map(
    parts.flatMap((part) => (part.type === "tool-approval-response" ? [[part.approvalId, part] as const] : [])),
  );
  return new Map(
    parts.flatMap((part) => {
      if (part.type !== "tool-approval-request") return [];
      const { approvalId, toolCallId, reason: requestReason, isAutomatic, signature, inputSchemaInput } = part;
      const { approved, reason } = answers.get(approvalId) ?? {};
      const approval = { id: approvalId, approved, reason, requestReason, isAutomatic, signature, inputSchemaInput };
      return [[toolCallId, approvalOf(approval)] as const];
    }),
  );
}

function toPart(part: ResponsePart): Part[] {
  const options =
    "providerOptions" in part && part.providerOptions !== undefined
      ? { providerOptions: JSON.parse(JSON.stringify(part.providerOptions)) }
      : {};
  switch (part.type) {
    case "text":
    case "reasoning":
      return part.text === "" && part.type === "text" ? [] : [{ type: part.type, text: part.text, ...options }];
    case "tool-call": {
      const { type, toolCallId, toolName } = part;
      const executed = part.providerExecuted === true ? { providerExecuted: true } : {};
      return [{ type, toolCallId, toolName, input: toJson(part.input), ...executed, ...options }];
    }
    case "tool-result": {
      const { type, toolCallId, toolName } = part;
      return [{ type, toolCallId, toolName, output: toJson(part.output), ...options }];
    }
    case "file": {
      const data = fileText(part.data);
      const name = part.filename === undefined ? {} : { filename: part.filename };
      return data === null ? [] : [{ type: "file", mediaType: part.mediaType, data, ...name, ...options }];
    }
    default:
      // Approvals are in the parts of their calls; what else there may be has no place in a prompt.
      return [];
  }
}

/** A URL or base64 as it is, bytes as base64; null for what only a provider could give. */
function fileText(data: unknown): string | null {
  if (typeof data === "string") return data;
  if (data instanceof URL) return data.href;
  if (data instanceof Uint8Array) return toBase64(data);
  if (data instanceof ArrayBuffer) return toBase64(new Uint8Array(data));
  if (typeof data === "object" && data !== null && "data" in data) return fileText(data.data);
  if (typeof data === "object" && data !== null && "url" in data) return fileText(data.url);
  return null;
}
