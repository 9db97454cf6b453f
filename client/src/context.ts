import type { Json, Message, PartFault, Retrieval, Summary } from "./contract.ts";

/** A context in each format. All but `threadkeep` carry the proof as `meta`. */
export interface Contexts {
  threadkeep: Context;
  "openai-chat": OpenaiChatContext;
  "openai-responses": OpenaiResponsesContext;
  anthropic: AnthropicContext;
  "ai-sdk": AiSdkContext;
  ui: UiContext;
  text: TextContext;
}
export type ContextFormat = keyof Contexts;

/** What may be asked of a context. */
export interface ContextRequest<F extends ContextFormat = ContextFormat> {
  /** The budget, 256 to 1,000,000; by default the session's. */
  maxTokens?: number | undefined;
  /** `threadkeep` by default. */
  format?: F | undefined;
  /** Whose tokens the budget is in: by default `claude` for `anthropic`, and else `o200k`. */
  tokenizer?: "o200k" | "claude" | undefined;
  /** The context as of this message. */
  atSeq?: number | undefined;
  /** Bring back older messages that matter to this question; `auto`: to the newest message of a user. */
  query?: string | null | undefined;
  /** The role that the summary speaks with: `user` by default. */
  summaryRole?: "user" | "system" | undefined;
  /**
   * `as-said`: a message for each; `merged`, by default in `openai-chat`: neighbours of one role are one message; `strict`: turns alone,
   * as the chat templates of Mistral and Gemma want them.
   */
  roles?: "as-said" | "merged" | "strict" | undefined;
  /** With `ai-sdk`: the provider that the prompt goes to (`anthropic`, `openai`, `google`). What another made is left out or told in words. */
  provider?: string | undefined;
  /** Files that tools show: `named` in words by default, or `sent` as files, where the provider takes them from a tool. */
  toolFiles?: "named" | "sent" | undefined;
  /** With `anthropic`, how long it is to keep the stable prefix, at whose end a `cache_control` stands. */
  cacheControl?: "5m" | "1h" | undefined;
}

/** Messages that are neither word for word nor in the summary, and why. */
export interface Omitted {
  fromSeq: number;
  throughSeq: number;
  reason: "budget" | "hidden" | "pending" | "branch";
}

export interface ContextTokens {
  budget: number;
  used: number;
  summary: number;
  messages: number;
  retrieved: number;
  /** Of `messages`, what instructions and pinned messages from before the recent ones take. */
  pinned?: number | undefined;
}

export interface ContextMessage extends Message {
  /** Not word for word: its middle or its author's name is cut, or its files are named in its text. */
  cut?: true | undefined;
}

/** What has no room in the budget, though no summary of it is on its way, and what would help. */
export interface LeftOut {
  messages: number;
  /** About how many they have beyond what is there of them. */
  tokens: number;
  /** The least budget that leaves nothing out; null if none does. */
  maxTokens: number | null;
  /** What to do next, in words. */
  help: string;
}

export interface Context {
  sessionId: string;
  headSeq: number;
  atSeq: number;
  summary: Summary | null;
  messages: ContextMessage[];
  omitted: Omitted[];
  /** There where the budget leaves out what no summary under way covers. */
  leftOut?: LeftOut | undefined;
  /** Older messages, word for word, that matter to the query; best first. */
  retrieved: { message: Message; score: number; why: string }[];
  /** Older messages could not be looked for: the context is whole, but for these. */
  retrievalError?: PartFault | undefined;
  /** How older messages were looked for; not there without a query, or where embeddings are off. */
  retrieval?: Retrieval | undefined;
  tokens: ContextTokens;
  /** A newer summary is being made. */
  summaryPending: boolean;
  stableThrough?: number | undefined;
  stableMessages?: number | undefined;
  stableHash?: string | undefined;
}

/** The proof that nothing is silently missing. */
export interface ContextMeta {
  sessionId: string;
  headSeq: number;
  atSeq: number;
  summaryThroughSeq: number;
  summaryPending: boolean;
  /** The prompt is the same to the byte through this message until there is another summary. */
  stableThrough: number;
  /** How many of the messages (of `input`, or of the characters of `text`) that takes. */
  stableMessages: number;
  /** SHA-256 of that prefix. */
  stableHash: string;
  omitted: Omitted[];
  /** There where the budget leaves out what no summary under way covers. */
  leftOut?: LeftOut | undefined;
  /** Older messages could not be looked for: the context is whole, but for these. */
  retrievalError?: PartFault | undefined;
  /** How older messages were looked for; not there without a query, or where embeddings are off. */
  retrieval?: Retrieval | undefined;
  tokens: ContextTokens;
}

export interface OpenaiChatContext {
  messages: OpenaiChatMessage[];
  meta: ContextMeta;
}
export type OpenaiChatMessage =
  | { role: "system"; content: string; name?: string }
  | { role: "developer"; content: string; name?: string }
  | { role: "user"; content: string | OpenaiUserPart[]; name?: string }
  | { role: "assistant"; content: string | null; name?: string; tool_calls?: OpenaiToolCall[] }
  | { role: "tool"; tool_call_id: string; content: string };
export type OpenaiUserPart =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: { url: string; detail?: "auto" | "low" | "high" } }
  /** `file_id` of a file that OpenAI holds, in the place of its data. */
  | { type: "file"; file: { filename?: string; file_data?: string; file_id?: string } };
export interface OpenaiToolCall {
  id: string;
  type: "function";
  function: { name: string; arguments: string };
}

export interface OpenaiResponsesContext {
  instructions?: string;
  input: OpenaiResponsesItem[];
  meta: ContextMeta;
}
export type OpenaiResponsesItem =
  | { type: "message"; role: "system" | "developer" | "user" | "assistant"; content: string | OpenaiInputPart[] }
  | { type: "function_call"; call_id: string; name: string; arguments: string }
  | { type: "function_call_output"; call_id: string; output: string | OpenaiInputPart[] }
  | { type: "reasoning"; id: string; summary: { type: "summary_text"; text: string }[]; encrypted_content: string };
export type OpenaiInputPart =
  | { type: "input_text"; text: string }
  | { type: "input_image"; image_url: string; detail: "auto" }
  | { type: "input_file"; filename?: string; file_data?: string; file_url?: string };

export interface AnthropicContext {
  system?: string;
  messages: AnthropicMessage[];
  meta: ContextMeta;
}
export type AnthropicMessage =
  | { role: "user"; content: AnthropicUserBlock[] }
  | { role: "assistant"; content: AnthropicAssistantBlock[] };
export type AnthropicUserBlock =
  | AnthropicSaidBlock
  | {
      type: "tool_result";
      tool_use_id: string;
      content?: string | AnthropicSaidBlock[];
      is_error?: true;
      cache_control?: AnthropicCacheControl;
    };
/** With `cacheControl`, at the end of the stable prefix. */
export interface AnthropicCacheControl {
  type: "ephemeral";
  ttl: "5m" | "1h";
}
export type AnthropicSaidBlock =
  | { type: "text"; text: string; cache_control?: AnthropicCacheControl }
  | {
      type: "image";
      cache_control?: AnthropicCacheControl;
      source:
        | { type: "url"; url: string }
        | { type: "file"; file_id: string }
        | { type: "base64"; media_type: AnthropicImageType; data: string };
    }
  | {
      type: "document";
      title?: string;
      cache_control?: AnthropicCacheControl;
      source:
        | { type: "url"; url: string }
        | { type: "file"; file_id: string }
        | { type: "base64"; media_type: "application/pdf"; data: string }
        | { type: "text"; media_type: "text/plain"; data: string };
    };
export type AnthropicImageType = "image/png" | "image/jpeg" | "image/gif" | "image/webp";
export type AnthropicAssistantBlock =
  | { type: "text"; text: string; cache_control?: AnthropicCacheControl }
  | { type: "tool_use"; id: string; name: string; input: Record<string, Json>; cache_control?: AnthropicCacheControl }
  | { type: "thinking"; thinking: string; signature: string }
  | { type: "redacted_thinking"; data: string }
  | { type: "server_tool_use"; id: string; name: "web_search"; input: Record<string, Json> }
  | { type: "web_search_tool_result"; tool_use_id: string; content: AnthropicSearchResult[] };
export interface AnthropicSearchResult {
  type: "web_search_result";
  url: string;
  title: string;
  encrypted_content: string;
  page_age: string | null;
}

/** By provider: what it alone understands. */
export type ProviderOptions = Record<string, Record<string, Json>>;

export interface AiSdkContext {
  system?: string;
  messages: AiSdkMessage[];
  meta: ContextMeta;
}
export type AiSdkMessage =
  | { role: "user"; content: string | AiSdkUserPart[] }
  | { role: "assistant"; content: string | AiSdkAssistantPart[] }
  | { role: "tool"; content: (AiSdkToolResult | AiSdkApprovalResponse)[] };
export type AiSdkUserPart =
  | { type: "text"; text: string; providerOptions?: ProviderOptions }
  | { type: "file"; mediaType: string; data: string; filename?: string; providerOptions?: ProviderOptions };
export type AiSdkAssistantPart =
  | AiSdkUserPart
  | { type: "reasoning"; text: string; providerOptions?: ProviderOptions }
  | {
      type: "tool-call";
      toolCallId: string;
      toolName: string;
      input: Json;
      providerExecuted?: true;
      providerOptions?: ProviderOptions;
    }
  /** Of a call that the provider ran itself. */
  | AiSdkToolResult
  | AiSdkApprovalRequest;
/** Of the newest step, whose calls the user has answered and nothing has run yet. */
export interface AiSdkApprovalRequest {
  type: "tool-approval-request";
  approvalId: string;
  toolCallId: string;
  reason?: string;
  isAutomatic?: boolean;
  signature?: string;
  inputSchemaInput?: Json;
}
export interface AiSdkApprovalResponse {
  type: "tool-approval-response";
  approvalId: string;
  approved: boolean;
  reason?: string;
}
export interface AiSdkToolResult {
  type: "tool-result";
  toolCallId: string;
  toolName: string;
  output: AiSdkToolOutput;
  providerOptions?: ProviderOptions;
}
export type AiSdkToolOutput =
  | { type: "text"; value: string; providerOptions?: ProviderOptions }
  | { type: "json"; value: Json; providerOptions?: ProviderOptions }
  | { type: "error-text"; value: string; providerOptions?: ProviderOptions }
  | { type: "error-json"; value: Json; providerOptions?: ProviderOptions }
  | { type: "execution-denied"; reason?: string; providerOptions?: ProviderOptions }
  | { type: "content"; value: AiSdkToolContent[] };
export type AiSdkToolContent =
  | { type: "text"; text: string; providerOptions?: ProviderOptions }
  | {
      type: "file";
      data:
        | { type: "data"; data: string }
        | { type: "reference"; reference: Record<string, string> }
        | { type: "text"; text: string };
      mediaType: string;
      filename?: string;
      providerOptions?: ProviderOptions;
    }
  | { type: "file-data"; data: string; mediaType: string; filename?: string; providerOptions?: ProviderOptions }
  | { type: "file-url"; url: string; mediaType?: string; providerOptions?: ProviderOptions }
  | { type: "file-id"; fileId: string | Record<string, string>; providerOptions?: ProviderOptions }
  | { type: "file-reference"; providerReference: Record<string, string>; providerOptions?: ProviderOptions }
  | { type: "image-data"; data: string; mediaType: string; providerOptions?: ProviderOptions }
  | { type: "image-url"; url: string; providerOptions?: ProviderOptions }
  | { type: "image-file-id"; fileId: string | Record<string, string>; providerOptions?: ProviderOptions }
  | { type: "image-file-reference"; providerReference: Record<string, string>; providerOptions?: ProviderOptions }
  | { type: "custom"; providerOptions?: ProviderOptions };

export interface UiContext {
  messages: UiMessage[];
  meta: ContextMeta;
}
export interface UiMessage {
  id: string;
  role: "system" | "user" | "assistant";
  metadata?: Record<string, Json>;
  parts: UiPart[];
}
export type UiPart =
  | { type: "text"; text: string; providerMetadata?: ProviderOptions }
  | { type: "reasoning"; text: string; providerMetadata?: ProviderOptions }
  | { type: "file"; mediaType: string; url: string; filename?: string; providerMetadata?: ProviderOptions }
  | { type: "step-start" }
  | UiToolPart<{ type: `tool-${string}` }>
  | UiToolPart<{ type: "dynamic-tool"; toolName: string }>
  | { type: `data-${string}`; id?: string; data: Json };

export type UiToolPart<Tool> = Tool & {
  toolCallId: string;
  input: Json;
  providerExecuted?: true;
  callProviderMetadata?: ProviderOptions;
} & (
    | { state: "input-available" }
    | { state: "output-available"; output: Json; approval?: UiAnswer<true> }
    | { state: "output-error"; errorText: string; approval?: UiAnswer<true> }
    | { state: "approval-requested"; approval: UiApproval }
    | { state: "approval-responded"; approval: UiAnswer<boolean> }
    | { state: "output-denied"; approval: UiAnswer<false> }
  );
/** What is asked of the user about a call. */
export interface UiApproval {
  id: string;
  requestReason?: string;
  isAutomatic?: boolean;
  signature?: string;
  inputSchemaInput?: Json;
  descriptor?: Json;
}
export interface UiAnswer<Approved extends boolean> extends UiApproval {
  approved: Approved;
  reason?: string;
}

export interface TextContext {
  text: string;
  meta: ContextMeta;
}
