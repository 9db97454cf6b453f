export type { Caller, ThreadkeepBinding } from "./binding.ts";
export { createClient, type SessionListOptions, type Threadkeep } from "./client.ts";
export type { CallOptions, ClientOptions, TracedCall, Tracing } from "./connection.ts";
export type * from "./context.ts";
export type * from "./contract.ts";
export { type ClientCode, type ErrorCode, type FieldFault, type ServiceCode, ThreadkeepError } from "./errors.ts";
export type { ImportOptions, ImportProgress, ImportSource } from "./imports.ts";
export type { List } from "./list.ts";
export type {
  AppendOptions,
  AppendResult,
  ListOptions,
  MessageListOptions,
  ProviderAppendOptions,
  Session,
} from "./session.ts";
export type * from "./transfer.ts";
export type { LiveOptions } from "./live.ts";
export type * from "./live-contract.ts";
export type { User, UserExportOptions } from "./user.ts";
