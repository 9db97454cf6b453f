export type { Caller, ThreadkeepBinding } from "./binding.ts";
export { createClient, type ImportSource, type SessionListOptions, type Threadkeep } from "./client.ts";
export type { CallOptions, ClientOptions } from "./connection.ts";
export type * from "./context.ts";
export type * from "./contract.ts";
export { type ClientCode, type ErrorCode, type FieldFault, type ServiceCode, ThreadkeepError } from "./errors.ts";
export type { List } from "./list.ts";
export type { AppendOptions, AppendResult, ListOptions, MessageListOptions, Session } from "./session.ts";
export type * from "./transfer.ts";
