import type { UIMessage } from "ai";
import { toJsonText } from "../base64.ts";
import type {
  Content,
  Json,
  Message,
  Metadata,
  NewMessage,
  Part,
  ToolApproval,
  ToolCallPart,
  ToolResultPart,
} from "../contract.ts";
import { fitContent, fitMetadata } from "../fit-content.ts";

type UiPart = UIMessage["parts"][number];

/** Stands for a part of a UIMessage that has no place in a prompt, such as a source: it is kept whole and given back. */
const KEPT_PART = "data-ui-part";

/** A UIMessage as it is stored: all of its steps in one message, each tool's result behind its call. */
export function toStored(message: UIMessage, id: string): NewMessage {
  const metadata = toMetadata(message.metadata);
  return {
    id,
    role: message.role,
    content: fitContent(tidy(message.parts.flatMap(toParts))),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/** A lone text is a text. A message of nothing at all has one that is empty: it keeps its place. */
export function tidy(parts: Part[]): Content {
  const [first] = parts;
  if (first === undefined) return "";
  return parts.length === 1 && first.type === "text" && first.providerOptions === undefined ? first.text : parts;
}

function toParts(part: UiPart): Part[] {
  switch (part.type) {
    case "text":
    case "reasoning":
      return [{ type: part.type, text: part.text, ...optionsOf(part.providerMetadata) }];
    case "file": {
      const { mediaType, url: data, filename } = part;
      const name = filename === undefined ? {} : { filename };
      return [{ type: "file", mediaType, data, ...name, ...optionsOf(part.providerMetadata) }];
    }
    case "step-start":
      return [];
    default:
      if ("toolCallId" in part) return toToolParts(part);
      if (isData(part)) {
        return [{ type: part.type, ...(part.id === undefined ? {} : { id: part.id }), data: toJson(part.data) }];
      }
      return [{ type: KEPT_PART, data: toJson(part) }];
  }
}

function isData(part: UiPart): part is Extract<UiPart, { type: `data-${string}` }> {
  return part.type.startsWith("data-");
}

function toToolParts(part: Extract<UiPart, { toolCallId: string }>): Part[] {
  // Half a call is none: it was never made.
  if (part.state === "input-streaming") return [];
  const { toolCallId } = part;
  const toolName = part.type === "dynamic-tool" ? part.toolName : part.type.slice("tool-".length);
  const called: Part = {
    type: "tool-call",
    toolCallId,
    toolName,
    input: toJson(part.input),
    ...(part.providerExecuted === true ? { providerExecuted: true } : {}),
    ...(part.type === "dynamic-tool" ? { dynamic: true } : {}),
    ...approvalOf(part.approval),
    ...optionsOf(part.callProviderMetadata),
  };
  const answered = (output: Json): Part[] => [called, { type: "tool-result", toolCallId, toolName, output }];
  if (part.state === "output-available") return answered(toOutput(part.output));
  if (part.state === "output-error") return answered({ type: "error-text", value: part.errorText });
  if (part.state === "output-denied") {
    const { reason } = part.approval;
    return answered({ type: "execution-denied", ...(reason === undefined ? {} : { reason }) });
  }
  return [called];
}

/** @param approval as the SDK has it, whatever it adds to it */
export function approvalOf(approval: unknown): { approval?: ToolApproval } {
  const kept = typeof approval === "object" && approval !== null ? JSON.parse(JSON.stringify(approval)) : null;
  if (kept === null || typeof kept.id !== "string") return {};
  const { id, approved, reason, requestReason, isAutomatic, signature, inputSchemaInput, descriptor } = kept;
  const known = { id, approved, reason, requestReason, isAutomatic, signature, inputSchemaInput, descriptor };
  return { approval: JSON.parse(JSON.stringify(known)) };
}

function toOutput(output: unknown): Json {
  return typeof output === "string" ? { type: "text", value: output } : { type: "json", value: toJson(output) };
}

/** How many messages at the beginning of what follows a call are results of tools alone. */
export function countAnswers(later: readonly Message[]): number {
  const end = later.findIndex(({ role, erased }) => role !== "tool" && erased !== true);
  return end < 0 ? later.length : end;
}

/**
 * A message with the results that stand in messages of their own after it, as other frameworks write them: a page shows them with their calls.
 * @param later the messages after it
 */
export function withResults(message: Message, later: readonly Message[]): Message {
  const { role, content } = message;
  if (role !== "assistant" || typeof content === "string") return message;
  const open = new Set(content.flatMap((part) => (isCall(part) ? [part.toolCallId] : [])));
  for (const part of content) if (isResult(part)) open.delete(part.toolCallId);
  if (open.size === 0) return message;
  const results = later
    .slice(0, countAnswers(later))
    .flatMap((answer): Part[] => (typeof answer.content === "string" ? [] : answer.content))
    .filter((part) => isResult(part) && open.has(part.toolCallId));
  return results.length === 0 ? message : { ...message, content: [...content, ...results] };
}

/** A stored message as `useChat` shows it; null for one that has nothing to show. */
export function toUiMessage(message: Message): UIMessage | null {
  if (message.erased === true) return null;
  const role = message.role === "developer" ? "system" : message.role === "tool" ? "assistant" : message.role;
  const content: Part[] =
    typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
  const results = resultsOf(content);
  const parts: UiPart[] = [];
  let isAnswered = false;
  for (const part of content) {
    if (isResult(part)) {
      // The provider's own calls are answered within the step.
      isAnswered ||= !results.own.has(part);
      continue;
    }
    // What follows a result is the next step.
    if (isAnswered) parts.push({ type: "step-start" });
    isAnswered = false;
    parts.push(toUiPart(part, results.ofCall));
  }
  if (parts.length === 0) return null;
  return { id: message.id, role, parts, ...shownMetadata(message) };
}

/** Under this name of its metadata a page finds the alternatives of a message. It is no part of what is stored. */
const PLACE = "threadkeep";

function shownMetadata({ metadata, seq, siblings }: Message): { metadata?: unknown } {
  if (siblings !== undefined) return { metadata: { ...metadata, [PLACE]: { seq, siblings } } };
  return metadata === undefined ? {} : { metadata };
}

/** Which result answers which call, and those that the provider ran itself. */
interface Results {
  readonly ofCall: ReadonlyMap<Part, ToolResultPart>;
  readonly own: ReadonlySet<Part>;
}

/** Some models give the calls of one step the same id: their results come by name, and then in order. */
function resultsOf(content: readonly Part[]): Results {
  const ofCall = new Map<Part, ToolResultPart>();
  const own = new Set<Part>();
  const open: ToolCallPart[] = [];
  for (const part of content) {
    if (isCall(part)) open.push(part);
    if (!isResult(part)) continue;
    const ofId = open.filter((call) => call.toolCallId === part.toolCallId && !ofCall.has(call));
    const call = ofId.find(({ toolName }) => toolName === part.toolName) ?? ofId[0];
    if (call === undefined) continue;
    ofCall.set(call, part);
    if (call.providerExecuted === true) own.add(part);
  }
  return { ofCall, own };
}

function isCall(part: Part): part is ToolCallPart {
  return part.type === "tool-call";
}

function isResult(part: Part): part is ToolResultPart {
  return part.type === "tool-result";
}

function toUiPart(part: Exclude<Part, ToolResultPart>, results: ReadonlyMap<Part, ToolResultPart>): UiPart {
  switch (part.type) {
    case "text":
    case "reasoning":
      return { type: part.type, text: part.text, ...metadataOf(part) };
    case "file": {
      const { mediaType, data: url, filename } = part;
      return { type: "file", mediaType, url, ...(filename === undefined ? {} : { filename }), ...metadataOf(part) };
    }
    case "tool-call": {
      const { toolName, toolCallId, input } = part;
      const called = {
        ...(part.dynamic === true
          ? { type: "dynamic-tool" as const, toolName }
          : { type: `tool-${toolName}` as const }),
        toolCallId,
        input,
        ...(part.providerExecuted === true ? { providerExecuted: true } : {}),
      };
      return { ...called, ...toState(results.get(part)?.output, part.approval), ...callMetadataOf(part) };
    }
    default:
      if (part.type === KEPT_PART) return JSON.parse(JSON.stringify(part.data));
      return { type: part.type, data: part.data, ...(part.id === undefined ? {} : { id: part.id }) };
  }
}

function toState(output: Json | undefined, given: ToolApproval | undefined) {
  if (output === undefined) {
    if (given === undefined) return { state: "input-available" as const };
    const { approved, reason, ...asked } = given;
    if (approved === undefined) return { state: "approval-requested" as const, approval: plain(asked) };
    return { state: "approval-responded" as const, approval: plain({ ...asked, approved, reason }) };
  }
  const { type, value, reason } = asEnvelope(output);
  if (type === "execution-denied" && given?.approved === false) {
    return { state: "output-denied" as const, approval: plain({ ...given, approved: false as const }) };
  }
  const approval = given?.approved === true ? { approval: plain({ ...given, approved: true as const }) } : {};
  if (type === "error-text" || type === "error-json" || type === "execution-denied") {
    const told = value ?? reason ?? "denied";
    const errorText = typeof told === "string" ? told : JSON.stringify(told);
    return { state: "output-error" as const, errorText, ...approval };
  }
  return { state: "output-available" as const, output: value ?? null, ...approval };
}

/** Without what is not set: the SDK knows no undefined there. */
function plain<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return JSON.parse(JSON.stringify(value));
}

function asEnvelope(output: Json): { type?: Json; value?: Json; reason?: Json } {
  const isEnvelope = typeof output === "object" && output !== null && !Array.isArray(output) && "type" in output;
  return isEnvelope ? output : { type: "json", value: output };
}

type ByProvider = Record<string, Record<string, Json>>;

function optionsOf(metadata: unknown): { providerOptions?: ByProvider } {
  return metadata === undefined ? {} : { providerOptions: JSON.parse(JSON.stringify(metadata)) };
}

function byProvider(options: Record<string, Json> | undefined): ByProvider | undefined {
  return options === undefined ? undefined : JSON.parse(JSON.stringify(options));
}

function metadataOf({ providerOptions }: { providerOptions?: Record<string, Json> | undefined }) {
  const providerMetadata = byProvider(providerOptions);
  return providerMetadata === undefined ? {} : { providerMetadata };
}

function callMetadataOf({ providerOptions }: { providerOptions?: Record<string, Json> | undefined }) {
  const callProviderMetadata = byProvider(providerOptions);
  return callProviderMetadata === undefined ? {} : { callProviderMetadata };
}

function toMetadata(metadata: unknown): Metadata | undefined {
  const json = metadata === undefined || metadata === null ? null : toJson(metadata);
  if (json === null || typeof json !== "object" || Array.isArray(json)) return undefined;
  const { [PLACE]: _place, ...kept } = json;
  // One that was given for its place alone had none before.
  return PLACE in json && Object.keys(kept).length === 0 ? undefined : fitMetadata(kept);
}

/** What JSON makes of it: dates become texts, bytes become base64, and what is undefined is left out. */
export function toJson(value: unknown): Json {
  return value === undefined ? null : JSON.parse(toJsonText(value) ?? "null");
}
