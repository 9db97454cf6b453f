import type { Json, Message, PartFault, Retrieval, Summary } from "./contract.ts";

/** A context in each format. All but `threadkeep` have `meta`, the account of what is contained and omitted. */
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

/** The options of a context. */
export interface ContextRequest<F extends ContextFormat = ContextFormat> {
  /** Token budget, 256 to 1,000,000; by default the session's `maxTokens`. */
  maxTokens?: number | undefined;
  /** The format; `threadkeep` by default. */
  format?: F | undefined;
  /** The tokenizer of the budget: by default `claude` with the format `anthropic`, else `o200k`. */
  tokenizer?: "o200k" | "claude" | undefined;
  /** Return the context as it was when this message was the newest. */
  atSeq?: number | undefined;
  /**
   * Also return older messages that are relevant to this question. `auto`: the question is the newest message of a
   * user.
   */
  query?: string | null | undefined;
  /** The role of the message that contains the summary; `user` by default. */
  summaryRole?: "user" | "system" | undefined;
  /**
   * `as-said`: each message stays separate; `merged` (default for `openai-chat`): neighbours of one role are joined;
   * `strict`: alternating turns only, as the chat templates of Mistral and Gemma require.
   */
  roles?: "as-said" | "merged" | "strict" | undefined;
  /**
   * With `ai-sdk`: the provider that the prompt is sent to (`anthropic`, `openai`, `google`). Reasoning of other
   * providers is left out, and their tool calls are described as text.
   */
  provider?: string | undefined;
  /**
   * How to return files that tools produced: `named` (default) as a description in the text, `sent` as files, if the
   * format supports files from tools.
   */
  toolFiles?: "named" | "sent" | undefined;
  /** With `anthropic`: set a `cache_control` with this ttl at the end of the stable prefix. */
  cacheControl?: "5m" | "1h" | undefined;
}

/** A range of messages that the context contains neither verbatim nor in its summary, and the reason. */
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
  /**
   * How many of the tokens in `messages` belong to instructions and pinned messages that are older than the recent
   * messages.
   */
  pinned?: number | undefined;
}

export interface ContextMessage extends Message {
  /** The message is not verbatim: its middle or its author's name is cut, or its files are described in its text. */
  cut?: true | undefined;
}

/** What the budget leaves out although no summary of it is being made, and what to change. */
export interface LeftOut {
  messages: number;
  /** About how many tokens of these messages are missing. */
  tokens: number;
  /** The smallest budget that leaves nothing out; null if no budget is enough. */
  maxTokens: number | null;
  /** What to do next, as a sentence. */
  help: string;
}

export interface Context {
  sessionId: string;
  headSeq: number;
  atSeq: number;
  summary: Summary | null;
  messages: ContextMessage[];
  omitted: Omitted[];
  /** Present if the budget leaves out messages that no summary in progress will cover. */
  leftOut?: LeftOut | undefined;
  /** Older messages, verbatim, that are relevant to the query; best first. */
  retrieved: { message: Message; score: number; why: string }[];
  /** The search for older messages failed. The rest of the context is complete. */
  retrievalError?: PartFault | undefined;
  /** How older messages were searched. Left out without a query, or if embeddings are off. */
  retrieval?: Retrieval | undefined;
  tokens: ContextTokens;
  /** Whether a newer summary is being made. */
  summaryPending: boolean;
  /** See `ContextMeta`. */
  stableThrough?: number | undefined;
  stableMessages?: number | undefined;
  stableHash?: string | undefined;
}

/** The account of what a context contains and omits. */
export interface ContextMeta {
  sessionId: string;
  headSeq: number;
  atSeq: number;
  summaryThroughSeq: number;
  summaryPending: boolean;
  /** The prompt up to and including this message stays identical, byte for byte, until there is a new summary. */
  stableThrough: number;
  /** How many messages belong to this prefix (entries of `input`; for `text`, characters). */
  stableMessages: number;
  /** SHA-256 of this prefix, in hexadecimal. */
  stableHash: string;
  omitted: Omitted[];
  /** Present if the budget leaves out messages that no summary in progress will cover. */
  leftOut?: LeftOut | undefined;
  /** The search for older messages failed. The rest of the context is complete. */
  retrievalError?: PartFault | undefined;
  /** How older messages were searched. Left out without a query, or if embeddings are off. */
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
  /** `file_id`: a file that is stored at OpenAI, instead of its data. */
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
/** Present at the end of the stable prefix if the request has `cacheControl`. */
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

/** Options that only one provider understands, by provider. */
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
  /** The result of a call that the provider ran itself. */
  | AiSdkToolResult
  | AiSdkApprovalRequest;
/** A request for the user's approval in the newest step, after the user has answered and before the tool has run. */
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
/** A request for the user's approval of a call. */
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
