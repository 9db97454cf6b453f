import type { ModelMessage } from "ai";
import { toBase64, toJson } from "../base64.ts";
import type { Json, Part } from "../contract.ts";
import { approvalOf, fileUrl, keptPart, withShownOutput } from "./ui-parts.ts";

type ResponsePart = Exclude<ModelMessage["content"], string>[number];

/**
 * The fields of a step that the response messages lack: whether the tool of a call is known, and the original output of
 * a tool.
 */
export interface AnsweredStep {
  readonly content: readonly StepPart[];
}
interface StepPart {
  readonly type: string;
  readonly toolCallId?: string;
  readonly dynamic?: boolean | undefined;
  readonly invalid?: boolean | undefined;
  readonly preliminary?: boolean | undefined;
  readonly output?: unknown;
}

/** The parts of the one message that a user sees, from a model's messages of all steps, including tool results. */
export function toResponseParts(messages: readonly ModelMessage[], steps: readonly AnsweredStep[] = []): Part[] {
  const approvals = approvalsIn(messages);
  const calls = byCallId(steps, "tool-call");
  const results = byCallId(steps, "tool-result");
  const called = new Set<string>();
  return messages
    .flatMap(({ content }): Part[] =>
      typeof content === "string" ? (content === "" ? [] : [{ type: "text", text: content }]) : content.flatMap(toPart),
    )
    .flatMap((part): Part[] => {
      if (part.type === "tool-call" && "input" in part) {
        called.add(part.toolCallId);
        const call = calls.get(part.toolCallId)?.shift();
        // A call that the SDK marks as invalid has an unknown tool, but it is not stored as dynamic.
        const isDynamic = call?.dynamic === true && call.invalid !== true;
        return [{ ...part, ...(isDynamic ? { dynamic: true } : {}), ...approvals.get(part.toolCallId) }];
      }
      if (part.type === "tool-result" && "output" in part && called.has(part.toolCallId)) {
        const result = isFailure(part.output) ? undefined : results.get(part.toolCallId)?.shift();
        return result === undefined ? [part] : withShownOutput(part, result.output);
      }
      return [part];
    });
}

/** The parts of a type by the id of their call, in order, because some models give several calls the same id. */
function byCallId(steps: readonly AnsweredStep[], type: string): Map<string, StepPart[]> {
  const parts = new Map<string, StepPart[]>();
  for (const part of steps.flatMap(({ content }) => content)) {
    if (part.type !== type || part.preliminary === true || part.toolCallId === undefined) continue;
    const ofCall = parts.get(part.toolCallId);
    if (ofCall === undefined) parts.set(part.toolCallId, [part]);
    else ofCall.push(part);
  }
  return parts;
}

function isFailure(output: Json): boolean {
  return typeof output === "object" && output !== null && "type" in output && FAILURES.has(output.type);
}
const FAILURES: ReadonlySet<Json> = new Set(["error-text", "error-json", "execution-denied"]);

/** The approval of each call, by the id of the call. A page shows it in the part of the call. */
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
  const metadata = options.providerOptions === undefined ? {} : { providerMetadata: options.providerOptions };
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
    case "custom":
      return [keptPart({ type: part.type, kind: part.kind, ...metadata })];
    case "reasoning-file": {
      const data = fileText(part.data);
      const { type, mediaType } = part;
      return data === null ? [] : [keptPart({ type, mediaType, url: fileUrl(mediaType, data), ...metadata })];
    }
    default:
      // Approvals are in the parts of their calls. Other parts are not part of a prompt.
      return [];
  }
}

/** The data of a file as text: a URL or base64 unchanged, bytes as base64; null if only the provider has it. */
function fileText(data: unknown): string | null {
  if (typeof data === "string") return data;
  if (data instanceof URL) return data.href;
  if (data instanceof Uint8Array) return toBase64(data);
  if (data instanceof ArrayBuffer) return toBase64(new Uint8Array(data));
  if (typeof data === "object" && data !== null && "data" in data) return fileText(data.data);
  if (typeof data === "object" && data !== null && "url" in data) return fileText(data.url);
  return null;
}
