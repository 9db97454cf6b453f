import type { UIMessage } from "ai";
import { toJson } from "../base64.ts";
import type {
  Content,
  DataPart,
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

/**
 * The type of a part that stores a part of a UIMessage which is not part of a prompt, such as a source, and returns it
 * unchanged.
 */
const KEPT_PART = "data-ui-part";
/**
 * The type of a part directly after a tool's result: what a page shows, if the model gets something else
 * (`toModelOutput` of the tool).
 */
const SHOWN_OUTPUT = "data-ui-output";

/** A UIMessage as it is stored: all steps in one message, with each tool's result after its call. */
export function toStored(message: UIMessage, id: string): NewMessage {
  const metadata = toMetadata(message.metadata);
  return {
    id,
    role: message.role,
    content: fitContent(tidy(toContent(message.parts))),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

/**
 * Simplifies parts: a single text becomes a string. A message without parts gets empty content, so that it keeps its
 * place.
 */
function tidy(parts: Part[]): Content {
  const [first] = parts;
  if (first === undefined) return "";
  return parts.length === 1 && first.type === "text" && first.providerOptions === undefined ? first.text : parts;
}

/**
 * The parts of a message. Tool results of a step are moved after all other parts of the step, so that calls which the
 * model made together stay together.
 */
function toContent(parts: readonly UiPart[]): Part[] {
  const isMarked = parts.some(({ type }) => type === "step-start");
  const content: Part[] = [];
  let results: Part[] = [];
  for (const part of parts) {
    // Without `step-start` marks, a part after a result belongs to the next step.
    if (isMarked ? part.type === "step-start" : !("toolCallId" in part)) {
      content.push(...results);
      results = [];
    }
    const isOwn = "toolCallId" in part && part.providerExecuted !== true;
    for (const stored of toParts(part)) (isOwn && isResult(stored) ? results : content).push(stored);
  }
  return [...content, ...results];
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
      return [keptPart(part)];
  }
}

/** @param part a part of a UIMessage */
export function keptPart(part: UiPart): Part {
  return { type: KEPT_PART, data: toJson(part) };
}

function isData(part: UiPart): part is Extract<UiPart, { type: `data-${string}` }> {
  return part.type.startsWith("data-");
}

function toToolParts(part: Extract<UiPart, { toolCallId: string }>): Part[] {
  // An incomplete call was never made, so it is not stored.
  if (part.state === "input-streaming") return [];
  const { toolCallId } = part;
  const toolName = part.type === "dynamic-tool" ? part.toolName : part.type.slice("tool-".length);
  const called: Part = {
    type: "tool-call",
    toolCallId,
    toolName,
    input: toJson(part.input),
    ...(part.providerExecuted === true ? { providerExecuted: true } : {}),
    ...(part.type === "dynamic-tool" && part.dynamic !== false ? { dynamic: true } : {}),
    ...approvalOf(part.approval),
    ...optionsOf(part.callProviderMetadata),
  };
  const resultMetadata = "resultProviderMetadata" in part ? part.resultProviderMetadata : undefined;
  const answered = (output: Json): Part[] => [
    called,
    { type: "tool-result", toolCallId, toolName, output, ...optionsOf(resultMetadata) },
  ];
  if (part.state === "output-available") return answered(toOutput(part.output));
  if (part.state === "output-error") return answered({ type: "error-text", value: part.errorText });
  if (part.state === "output-denied") {
    const { reason } = part.approval;
    return answered({ type: "execution-denied", ...(reason === undefined ? {} : { reason }) });
  }
  return [called];
}

/**
 * The approval of a call, as stored.
 * @param approval the SDK's approval; unknown fields are dropped
 */
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

/** A tool's result, followed by what a page shows, if that differs. */
export function withShownOutput(result: ToolResultPart, output: unknown): Part[] {
  if (saysSame(result.output, toOutput(output))) return [result];
  return [result, { type: SHOWN_OUTPUT, id: result.toolCallId, data: toJson(output) }];
}

/** What a page shows, for the results where the model gets something else. */
function shownOutputs(content: readonly Part[]): Map<ToolResultPart, Json> {
  return new Map(
    content.flatMap((part, at) => {
      const next = content[at + 1];
      return isResult(part) && next !== undefined && isShownOutput(next) ? [[part, next.data] as const] : [];
    }),
  );
}

/** An answer from a page with the outputs that the model got. The page only has the outputs that it shows. */
export function withModelOutputs(said: Content, stored: Content): Content {
  if (typeof said === "string" || typeof stored === "string") return said;
  const open = Array.from(shownOutputs(stored));
  return said.flatMap((part) => {
    if (!isResult(part)) return [part];
    const at = open.findIndex(
      ([{ toolCallId }, output]) => toolCallId === part.toolCallId && saysSame(part.output, toOutput(output)),
    );
    const [known] = at < 0 ? [] : open.splice(at, 1);
    return known === undefined ? [part] : withShownOutput(...known);
  });
}

/** Reduces content until it fits into a message. Outputs that only a page shows are dropped first. */
export function fitParts(parts: Part[]): Content {
  const content = tidy(parts);
  const fitted = fitContent(content);
  return fitted === content ? content : fitContent(tidy(parts.filter((part) => !isShownOutput(part))));
}

/**
 * Whether two values have the same content. The order of keys, characters that cannot be stored, and the encoding of
 * files are ignored.
 */
export function saysSame(one: Json | Content, other: Json | Content): boolean {
  return comparable(one) === comparable(other);
}

export function comparable(value: Json | Content): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "string") {
      return inner
        .toWellFormed()
        .replaceAll("\u0000", "\uFFFD")
        .replace(/^data:[^,]{0,200};base64,/, "");
    }
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** How many of the messages directly after a call contain only tool results. */
export function countAnswers(later: readonly Message[]): number {
  const end = later.findIndex(({ role, erased }) => role !== "tool" && erased !== true);
  return end < 0 ? later.length : end;
}

/**
 * Adds the tool results that follow in messages of their own, as other frameworks store them, to the message with the
 * calls, as a page shows them.
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

/** A stored message as `useChat` shows it; null if there is nothing to show. */
export function toUiMessage(message: Message): UIMessage | null {
  if (message.erased === true) return null;
  const role = message.role === "developer" ? "system" : message.role === "tool" ? "assistant" : message.role;
  const content: Part[] =
    typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content;
  const results = resultsOf(content);
  const parts: UiPart[] = [];
  let isAnswered = false;
  let isCalled = false;
  let needsMark = false;
  for (const part of content) {
    if (isShownOutput(part)) continue;
    if (isResult(part)) {
      // Results of calls that the provider ran itself belong to the same step.
      isAnswered ||= !results.own.has(part);
      continue;
    }
    // A part after a result belongs to the next step.
    if (isAnswered) parts.push({ type: "step-start" });
    // Without a mark, the SDK would take other parts beside a call for the next step.
    needsMark ||= isCalled && !isAnswered && !isCall(part);
    isCalled = isCall(part) ? part.providerExecuted !== true : isCalled && !isAnswered;
    isAnswered = false;
    parts.push(toUiPart(part, results));
  }
  if (parts.length === 0) return null;
  if (needsMark) parts.unshift({ type: "step-start" });
  return { id: message.id, role, parts, ...shownMetadata(message) };
}

/** The key in a message's metadata under which a page finds its alternatives. It is not stored. */
const PLACE = "threadkeep";

function shownMetadata({ metadata, seq, siblings }: Message): { metadata?: unknown } {
  if (siblings !== undefined) return { metadata: { ...metadata, [PLACE]: { seq, siblings } } };
  return metadata === undefined ? {} : { metadata };
}

/** The result of each call, the results of calls that the provider ran itself, and what a page shows. */
interface Results {
  readonly ofCall: ReadonlyMap<Part, ToolResultPart>;
  readonly own: ReadonlySet<Part>;
  readonly shown: ReadonlyMap<ToolResultPart, Json>;
}

/**
 * Matches results to calls. Some models give all calls of a step the same id: then they are matched by name, and then
 * by order.
 */
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
  return { ofCall, own, shown: shownOutputs(content) };
}

function isCall(part: Part): part is ToolCallPart {
  return part.type === "tool-call";
}

function isResult(part: Part): part is ToolResultPart {
  return part.type === "tool-result";
}

function isShownOutput(part: Part): part is DataPart {
  return part.type === SHOWN_OUTPUT;
}

function toUiPart(part: Exclude<Part, ToolResultPart>, { ofCall, shown }: Results): UiPart {
  switch (part.type) {
    case "text":
    case "reasoning":
      return { type: part.type, text: part.text, ...metadataOf(part) };
    case "file": {
      const { mediaType, data, filename } = part;
      return {
        type: "file",
        mediaType,
        url: fileUrl(mediaType, data),
        ...(filename === undefined ? {} : { filename }),
        ...metadataOf(part),
      };
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
      const result = ofCall.get(part);
      const output = result === undefined ? undefined : shown.has(result) ? toOutput(shown.get(result)) : result.output;
      return { ...called, ...toState(output, part.approval), ...callMetadataOf(part, result) };
    }
    default:
      if (part.type === KEPT_PART) return JSON.parse(JSON.stringify(part.data));
      return { type: part.type, data: part.data, ...(part.id === undefined ? {} : { id: part.id }) };
  }
}

/** A URL for a file: base64 becomes a data URL. */
export function fileUrl(mediaType: string, data: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(data) ? data : `data:${mediaType};base64,${data}`;
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
    const reasonText = value ?? reason ?? "denied";
    const errorText = typeof reasonText === "string" ? reasonText : JSON.stringify(reasonText);
    return { state: "output-error" as const, errorText, ...approval };
  }
  return { state: "output-available" as const, output: value ?? null, ...approval };
}

/** Removes undefined fields, which the SDK's types do not allow. */
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

function callMetadataOf(call: ToolCallPart, result: ToolResultPart | undefined) {
  const callProviderMetadata = byProvider(call.providerOptions);
  const resultProviderMetadata = byProvider(result?.providerOptions);
  return {
    ...(callProviderMetadata === undefined ? {} : { callProviderMetadata }),
    ...(resultProviderMetadata === undefined ? {} : { resultProviderMetadata }),
  };
}

function toMetadata(metadata: unknown): Metadata | undefined {
  const json = metadata === undefined || metadata === null ? null : toJson(metadata);
  if (json === null || typeof json !== "object" || Array.isArray(json)) return undefined;
  const { [PLACE]: _place, ...kept } = json;
  // Metadata that contained only this key was undefined before.
  return PLACE in json && Object.keys(kept).length === 0 ? undefined : fitMetadata(kept);
}
