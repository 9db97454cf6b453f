import type { AppendRequest, AppendResult, appendRequestSchema } from "../src/api/append.ts";
import type { Context, ContextRequest } from "../src/api/context.ts";
import type { QueryMeaning } from "../src/api/embedding.ts";
import type { Outcome } from "../src/api/errors.ts";
import type { mendedPaths, parseBody } from "../src/api/faults.ts";
import type { LogIntegrity, IntegrityReport, SourcesIntegrity, SummaryIntegrity } from "../src/api/finding.ts";
import type { Failure, Job, JobMessage, SummarizeRequest, UserJobMessage } from "../src/api/job.ts";
import type { Erasure, Message, MessagePatch, messagePatchSchema } from "../src/api/message.ts";
import type { Page } from "../src/api/page.ts";
import type { Principal } from "../src/api/principal.ts";
import type { SearchRequest, SearchResult } from "../src/api/search.ts";
import type {
  BranchRequest,
  ForkRequest,
  ListedSession,
  Metadata,
  NewSession,
  SessionPatch,
  SessionRef,
  SessionSettings,
  SessionState,
} from "../src/api/session.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../src/api/summarizer.ts";
import type { RestoreRequest, Summary } from "../src/api/summary.ts";
import type { TenantPatch, TenantSettings } from "../src/api/tenant.ts";
import type { EndLine, ImportResult, MessageLine, SessionLine, TransferLine } from "../src/api/transfer.ts";
import type { UserErasure } from "../src/api/user.ts";
import type { ProviderErrorKind } from "../src/provider/provider-error.ts";

/**
 * What the simulation uses of src/. The types there name globals of the Workers runtime that programs for Node do not have, so they are
 * repeated here.
 */

// Objects

export interface SessionCreation {
  readonly ref: SessionRef;
  readonly createdAt: number;
  readonly grantedAt?: number;
  readonly metadata?: Metadata;
  readonly settings?: SessionSettings;
}

export interface Created {
  readonly session: SessionState;
  readonly created: boolean;
}

/** One epoch of a session. */
export interface EpochRef {
  readonly session: string;
  readonly epoch: string;
}

/** What a fork is made of. */
export interface ForkSource extends EpochRef {
  readonly isNewest: boolean;
  readonly throughSeq: number;
  readonly metadata: Metadata;
  readonly settings: SessionSettings;
}

/** The first line of an export. */
export interface ExportHead {
  readonly line: SessionLine;
  readonly epoch: string;
  readonly headSeq: number;
  readonly changes: number;
}

/** A page of the rest of an export. */
export interface ExportEnd {
  readonly lines: readonly TransferLine[];
  readonly next: object | null;
  readonly end: EndLine | null;
}

export interface BegunImport {
  readonly id: string;
  readonly throughLine: number;
}

export interface NumberedLine {
  readonly number: number;
  readonly line: TransferLine;
  /** The epoch that supports an imported item of another session. */
  readonly vouchedBy?: EpochRef | undefined;
}

export interface ObjectInstance {
  alarm?(): Promise<void>;
}

/** The session object, as far as the checks call it directly. */
export interface SessionInstance extends ObjectInstance {
  append(request: AppendRequest, creation: SessionCreation | null): Promise<Outcome<AppendResult>>;
  state(tenant?: TenantSettings): Promise<Outcome<SessionState>>;
  messages(query: { afterSeq?: number; beforeSeq?: number; limit: number }): Promise<Outcome<Page<Message>>>;
  context(request: ContextRequest, tenant?: TenantSettings): Promise<Outcome<Context>>;
  search(request: SearchRequest, meaning?: QueryMeaning): Promise<Outcome<SearchResult>>;
  summaries(before: number | undefined, limit: number): Promise<Outcome<Page<Summary>>>;
  update(patch: SessionPatch, tenant?: TenantSettings): Promise<Outcome<SessionState>>;
  switchBranch(request: BranchRequest, tenant?: TenantSettings): Promise<Outcome<SessionState>>;
  beginExport(): Promise<Outcome<ExportHead>>;
  exportPage(head: ExportHead, afterSeq: number): Promise<Outcome<MessageLine[]>>;
  endExport(head: ExportHead, from?: object | null): Promise<Outcome<ExportEnd>>;
  checkIntegrity(): Promise<IntegrityReport>;
  checkLogIntegrity(epoch: string, afterSeq: number): Promise<LogIntegrity | null>;
  checkSummaryIntegrity(epoch: string, afterVersion: number): Promise<SummaryIntegrity | null>;
  checkSourcesIntegrity(epoch: string, afterRow: number): Promise<SourcesIntegrity | null>;
  alarm(): Promise<void>;
}

/** What the checks ask of an owner's list of sessions. */
export interface DirectoryInstance extends ObjectInstance {
  list(query: {
    limit: number;
    after: null;
    metadata: Record<string, string>;
  }): Promise<{ entries: readonly ListedSession[] }>;
  readErasure(): Promise<UserErasure | null>;
}

export interface OperationsInstance extends ObjectInstance {
  list(limit: number, after: null): Promise<Failure[]>;
}

type ObjectClass<Instance, Env> = new (ctx: object, env: Env) => Instance;

export interface Queue<Body> {
  send(message: Body): Promise<void>;
}

/** Objects of one class, for other objects. */
export interface Namespace {
  getByName(name: string): unknown;
}

interface SessionEnvironment {
  readonly SUMMARIZE_QUEUE: Queue<JobMessage>;
  readonly ARCHIVE_QUEUE: Queue<JobMessage>;
  readonly AUDIT_QUEUE: Queue<unknown>;
  readonly OPERATIONS: Namespace;
  readonly TENANT: Namespace;
  readonly DIRECTORY: Namespace;
}

interface DirectoryEnvironment {
  readonly ARCHIVE_QUEUE: Queue<UserJobMessage>;
  readonly OWNERS: Namespace;
  readonly OPERATIONS: Namespace;
}

// The consumer

interface SimulatedMessage {
  readonly id: string;
  readonly timestamp: Date;
  readonly body: unknown;
  readonly attempts: number;
  ack(): void;
  retry(options?: { delaySeconds?: number }): void;
}

export interface SimulatedBatch {
  readonly queue: string;
  readonly messages: readonly SimulatedMessage[];
}

type Summarize = (request: SummarizerRequest) => Promise<SummarizerAnswer>;

/** A client of a registry's object, for code that only passes it on. */
type Opaque = object;

export interface TenantClient {
  read(tenant: string): Promise<TenantSettings>;
  update(tenant: string, patch: TenantPatch): Promise<{ readonly rev: number }>;
  spend(tenant: string, usage: unknown): Promise<void>;
  spendOnEmbeddings(tenant: string, usage: unknown): Promise<void>;
}

export type WithDatabase = <T>(body: (database: unknown) => Promise<T>) => Promise<T>;

export type Log = Record<"debug" | "info" | "warn" | "error", (event: string, fields?: object) => void>;

interface Embedder {
  readonly model: string;
  readonly maxTexts: number;
  isResting(): boolean;
  embed(
    texts: readonly string[],
  ): Promise<{ readonly vectors: readonly Float32Array[]; readonly usage: { readonly inputTokens: number } }>;
}

/** The dependencies of consume(). */
export interface ConsumerDeps {
  readonly sessions: Opaque;
  readonly directory: Opaque;
  readonly users: Opaque;
  readonly operations: Opaque;
  readonly tenants: Pick<TenantClient, "read" | "spend" | "spendOnEmbeddings">;
  readonly archiveOutage: Opaque;
  readonly summarizer: { readonly summarize: Summarize };
  readonly fallback: { readonly summarize: Summarize } | null;
  readonly embedder: Embedder | null;
  readonly withDatabase: WithDatabase;
  readonly log: Log;
}

// The operations that clients call

/** Further calls of operators to a session's object. */
interface SessionClient {
  get(ref: SessionRef): {
    maintain(task: "catch-up" | "rebuild", isDryRun: boolean): Promise<Outcome<unknown>>;
    resyncArchive(aboveRev: number): Promise<unknown>;
  };
}

/** Who calls, and with what. */
export interface RequestContext {
  readonly principal: Principal;
  readonly requestId: string;
  readonly from: null;
  readonly parts: { readonly sessions: SessionClient } & Record<string, unknown>;
}

/** What every surface calls. */
interface Service {
  appendMessages(call: RequestContext, session: string, request: AppendRequest): Promise<AppendResult>;
  editMessage(call: RequestContext, session: string, message: string, patch: MessagePatch): Promise<Message>;
  eraseMessage(call: RequestContext, session: string, message: string): Promise<Erasure>;
  createSession(call: RequestContext, input: NewSession): Promise<Created>;
  forkSession(call: RequestContext, session: string, request: ForkRequest): Promise<Created>;
  eraseSession(call: RequestContext, session: string): Promise<Erasure>;
  updateSession(call: RequestContext, session: string, patch: SessionPatch): Promise<SessionState>;
  switchBranch(call: RequestContext, session: string, request: BranchRequest): Promise<SessionState>;
  readSession(call: RequestContext, session: string): Promise<SessionState>;
  listSessions(call: RequestContext, query: { limit: number }): Promise<Page<ListedSession>>;
  summarizeByHand(
    call: RequestContext,
    session: string,
    request: SummarizeRequest,
  ): Promise<{ job: Job | null; summary: Summary | null }>;
  restoreSummary(call: RequestContext, session: string, version: number, request: RestoreRequest): Promise<Summary>;
  listMessages(
    call: RequestContext,
    session: string,
    query: { afterSeq?: number; beforeSeq?: number; limit: number },
  ): Promise<Page<Message>>;
  readContextJson(call: RequestContext, session: string, request: ContextRequest): Promise<string>;
  searchSessionJson(call: RequestContext, session: string, request: SearchRequest): Promise<string>;
  exportSession(call: RequestContext, session: string): Promise<AsyncIterable<TransferLine>>;
  importSession(call: RequestContext, lines: AsyncIterable<string>, id: string | undefined): Promise<ImportResult>;
  eraseUser(call: RequestContext, user: string): Promise<UserErasure>;
  readUserErasure(call: RequestContext, user: string): Promise<UserErasure>;
}

/** The checks that a request passes before an operation gets it. */
interface Edge {
  readonly appendRequestSchema: typeof appendRequestSchema;
  readonly messagePatchSchema: typeof messagePatchSchema;
  readonly parseBody: typeof parseBody;
  readonly mendedPaths: typeof mendedPaths;
}

/** The code under test. */
export interface System extends Service, Edge {
  readonly ChatSession: ObjectClass<SessionInstance, SessionEnvironment>;
  readonly Directory: ObjectClass<DirectoryInstance, DirectoryEnvironment>;
  readonly Tenant: ObjectClass<ObjectInstance, object>;
  readonly Operations: ObjectClass<OperationsInstance, object>;
  readonly Owners: ObjectClass<ObjectInstance, { readonly OPERATIONS: Namespace }>;
  readonly consume: (batch: SimulatedBatch, parts: ConsumerDeps) => Promise<void>;
  /** Added by the loader: clears what an isolate has cached. */
  forgetTenantDays(): void;
  readonly ProviderError: new (
    kind: ProviderErrorKind,
    detail: string,
    facts?: {
      readonly retryAfterSeconds?: number;
      readonly usage?: { readonly inputTokens: number; readonly outputTokens: number };
    },
  ) => Error;
  createSessionClient(namespace: Namespace): SessionClient;
  createDirectoryClient(namespace: Namespace): Opaque;
  createUserClient(namespace: Namespace): Opaque;
  createOperationsClient(namespace: Namespace): Opaque;
  createTenantClient(
    namespace: Namespace,
    options: { readonly keepAlive: (work: Promise<unknown>) => void; readonly log: Log },
  ): TenantClient;
}
