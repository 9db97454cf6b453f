/**
 * The operations for another Worker, over a service binding: the same as over HTTP, but without a key and without JSON.
 */

import { WorkerEntrypoint } from "cloudflare:workers";
import type { z } from "zod";
import type { AppendResult, OfferedAppend } from "../api/append.ts";
import type { ContextFormat, ContextIn, ContextRequest } from "../api/context.ts";
import { type ProblemCode, PROBLEMS, ThreadkeepError } from "../api/errors.ts";
import { mendedPaths, parseRequest, tellMended } from "../api/faults.ts";
import type { Job, SummarizeRequest } from "../api/job.ts";
import type { MemorySearchRequest, MemorySearchResult } from "../api/memory-search.ts";
import type { EditedMessage, Erasure, Message, MessagePatch } from "../api/message.ts";
import type { Page } from "../api/page.ts";
import type { Principal } from "../api/principal.ts";
import { faultOf } from "../api/problem.ts";
import type { SearchRequest, SearchResult } from "../api/search.ts";
import type {
  BranchRequest,
  ForkRequest,
  ListedSession,
  NewSession,
  SessionPatch,
  SessionState,
} from "../api/session.ts";
import type { ExpandedSummary, Loss, RestoreRequest, Summary, SummaryVersion, SummaryChanges } from "../api/summary.ts";
import type { ImportRequest, ImportResult, ImportState } from "../api/transfer.ts";
import type { UserErasure } from "../api/user.ts";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { continueTrace, traceIdOf } from "../telemetry/trace.ts";
import { readContextJson } from "../usecases/context.ts";
import {
  abandonImport,
  addImportLines,
  beginImport,
  completeImport,
  importSession,
  readImport,
} from "../usecases/imports.ts";
import { decodeLines, encodeLines } from "../usecases/json-lines.ts";
import { searchMemory } from "../usecases/memory-search.ts";
import {
  appendMessages,
  editMessage,
  eraseMessage,
  listMessages,
  type MessageListQuery,
  readMessage,
} from "../usecases/messages.ts";
import type { RequestContext, Deps } from "../usecases/request-context.ts";
import { searchSessionJson } from "../usecases/search.ts";
import {
  createSession,
  eraseSession,
  forkSession,
  listSessions,
  readSession,
  type ListSessionsQuery,
  switchBranch,
  updateSession,
} from "../usecases/sessions.ts";
import {
  compareSummaries,
  listLosses,
  listSummaries,
  readSummary,
  restoreSummary,
  summarizeByHand,
} from "../usecases/summaries.ts";
import { exportSession } from "../usecases/transfer.ts";
import { exportUser, type UserExportQuery } from "../usecases/user-export.ts";
import { eraseUser, readUserErasure } from "../usecases/users.ts";
import { principalOf } from "./binding-principal.ts";
import { inputs } from "./inputs.ts";
import { plainJson } from "./plain-json.ts";
import { remoteError } from "./remote-error.ts";

/** For whom a call is made, if the binding's props do not say it. */
export interface Caller {
  readonly user?: string;
  /** Refuse content that cannot be stored unchanged. By default it is changed, and `mended` lists where. */
  readonly strictText?: boolean;
}

/** The dependencies of the entrypoint. */
export interface RpcDeps {
  readonly parts: Deps;
  /** Throws `rate_limited` if the caller sends too many requests. */
  limitRequests(principal: Principal): Promise<void>;
  readonly log: Log;
}

interface RawInput {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly query?: unknown;
  readonly body?: unknown;
}

/**
 * Creates the class that another Worker binds to. It is created by a function because the caller can reach every method
 * and property of the class: the dependencies stay in the closure.
 */
export function createRpcEntrypoint(partsOf: (env: Env) => RpcDeps) {
  return class extends WorkerEntrypoint<Env, unknown> {
    /** Creates a session, or returns the existing one unchanged. */
    create(session?: NewSession, caller?: Caller): Promise<SessionState> {
      return this.#answer("create", caller, inputs.create, { body: session }, async (call, { body }) => {
        return (await createSession(call, body)).session;
      });
    }

    /** A page of the caller's sessions, newest first. */
    sessions(query?: Partial<ListSessionsQuery>, caller?: Caller): Promise<Page<ListedSession>> {
      return this.#answer("sessions", caller, inputs.sessions, { query }, (call, input) =>
        listSessions(call, input.query),
      );
    }

    state(sessionId: string, caller?: Caller): Promise<SessionState> {
      return this.#answer("state", caller, inputs.session, { params: { sessionId } }, (call, { params }) =>
        readSession(call, params.sessionId),
      );
    }

    update(sessionId: string, patch: SessionPatch, caller?: Caller): Promise<SessionState> {
      return this.#answer(
        "update",
        caller,
        inputs.update,
        { params: { sessionId }, body: patch },
        (call, { params, body }) => updateSession(call, params.sessionId, body),
      );
    }

    delete(sessionId: string, caller?: Caller): Promise<Erasure> {
      return this.#answer("delete", caller, inputs.session, { params: { sessionId } }, (call, { params }) =>
        eraseSession(call, params.sessionId),
      );
    }

    fork(sessionId: string, request?: ForkRequest, caller?: Caller): Promise<SessionState> {
      const raw = { params: { sessionId }, body: request };
      return this.#answer("fork", caller, inputs.fork, raw, async (call, { params, body }) => {
        return (await forkSession(call, params.sessionId, body)).session;
      });
    }

    /** Makes another branch of the log the active one. */
    branch(sessionId: string, request: BranchRequest, caller?: Caller): Promise<SessionState> {
      const raw = { params: { sessionId }, body: request };
      return this.#answer("branch", caller, inputs.branch, raw, (call, { params, body }) =>
        switchBranch(call, params.sessionId, body),
      );
    }

    /** Appends messages. If they have ids of your own, repeating the call stores nothing twice. */
    append(sessionId: string, request: OfferedAppend, caller?: Caller): Promise<AppendResult> {
      return this.#answer(
        "append",
        caller,
        inputs.append,
        { params: { sessionId }, body: request },
        async (call, { params, body }, mended) => ({
          ...(await appendMessages(call, params.sessionId, body)),
          ...tellMended(mended),
        }),
      );
    }

    /** A page of the log, oldest first. */
    messages(sessionId: string, query?: Partial<MessageListQuery>, caller?: Caller): Promise<Page<Message>> {
      return this.#answer(
        "messages",
        caller,
        inputs.messages,
        { params: { sessionId }, query },
        (call, { params, query: page }) => listMessages(call, params.sessionId, page),
      );
    }

    message(sessionId: string, messageId: string, caller?: Caller): Promise<Message> {
      return this.#answer("message", caller, inputs.message, { params: { sessionId, messageId } }, (call, { params }) =>
        readMessage(call, params.sessionId, params.messageId),
      );
    }

    edit(sessionId: string, messageId: string, patch: MessagePatch, caller?: Caller): Promise<EditedMessage> {
      const raw = { params: { sessionId, messageId }, body: patch };
      return this.#answer("edit", caller, inputs.edit, raw, async (call, { params, body }, mended) => ({
        ...(await editMessage(call, params.sessionId, params.messageId, body)),
        ...tellMended(mended),
      }));
    }

    erase(sessionId: string, messageId: string, caller?: Caller): Promise<Erasure> {
      return this.#answer("erase", caller, inputs.message, { params: { sessionId, messageId } }, (call, { params }) =>
        eraseMessage(call, params.sessionId, params.messageId),
      );
    }

    context<F extends ContextFormat = "threadkeep">(
      sessionId: string,
      request?: ContextRequest & { format?: F | undefined },
      caller?: Caller,
    ): Promise<ContextIn<F>> {
      const raw = { params: { sessionId }, body: request };
      return this.#answer("context", caller, inputs.context, raw, async (call, { params, body }) => {
        const context: ContextIn<F> = JSON.parse(await readContextJson(call, params.sessionId, body));
        return context;
      });
    }

    search(sessionId: string, request: SearchRequest, caller?: Caller): Promise<SearchResult> {
      return this.#answer(
        "search",
        caller,
        inputs.search,
        { params: { sessionId }, body: request },
        async (call, { params, body }): Promise<SearchResult> =>
          JSON.parse(await searchSessionJson(call, params.sessionId, body)),
      );
    }

    /** Searches the summary items of all of the caller's sessions. */
    searchMemory(request: MemorySearchRequest, caller?: Caller): Promise<MemorySearchResult> {
      return this.#answer("searchMemory", caller, inputs.searchMemory, { body: request }, (call, { body }) =>
        searchMemory(call, body),
      );
    }

    /** A page of the versions of the summary, newest first. */
    summaries(
      sessionId: string,
      query?: { readonly limit?: number; readonly cursor?: string },
      caller?: Caller,
    ): Promise<Page<SummaryVersion>> {
      return this.#answer(
        "summaries",
        caller,
        inputs.summaries,
        { params: { sessionId }, query },
        (call, { params, query: page }) => listSummaries(call, params.sessionId, page),
      );
    }

    summary(
      sessionId: string,
      version: number,
      query?: { readonly expand?: "sources" },
      caller?: Caller,
    ): Promise<ExpandedSummary> {
      const raw = { params: { sessionId, version }, query };
      return this.#answer("summary", caller, inputs.summary, raw, (call, { params, query: { expand } }) =>
        readSummary(call, params.sessionId, params.version, { expandSources: expand === "sources" }),
      );
    }

    /** The differences between a version and another one, by default the one before it. */
    summaryChanges(
      sessionId: string,
      version: number,
      query?: { readonly from?: number },
      caller?: Caller,
    ): Promise<SummaryChanges> {
      const raw = { params: { sessionId, version }, query };
      return this.#answer("summaryChanges", caller, inputs.summaryChanges, raw, (call, { params, query: { from } }) =>
        compareSummaries(call, params.sessionId, params.version, from),
      );
    }

    /** A page of what users said in messages that a version covers, but that no item of it contains. */
    losses(
      sessionId: string,
      version: number,
      query?: { readonly limit?: number; readonly cursor?: string },
      caller?: Caller,
    ): Promise<Page<Loss>> {
      const raw = { params: { sessionId, version }, query };
      return this.#answer("losses", caller, inputs.losses, raw, (call, { params, query: page }) =>
        listLosses(call, params.sessionId, params.version, page),
      );
    }

    /** Restores an earlier version of the summary. The versions after it are deleted. */
    restoreSummary(sessionId: string, version: number, request?: RestoreRequest, caller?: Caller): Promise<Summary> {
      const raw = { params: { sessionId, version }, body: request };
      return this.#answer("restoreSummary", caller, inputs.restoreSummary, raw, (call, { params, body }) =>
        restoreSummary(call, params.sessionId, params.version, body),
      );
    }

    summarize(
      sessionId: string,
      request?: SummarizeRequest,
      caller?: Caller,
    ): Promise<{ job: Job | null; summary: Summary | null }> {
      const raw = { params: { sessionId }, body: request };
      return this.#answer("summarize", caller, inputs.summarize, raw, (call, { params, body }) =>
        summarizeByHand(call, params.sessionId, body),
      );
    }

    /** Streams the session as JSON Lines. */
    export(sessionId: string, caller?: Caller): Promise<ReadableStream<Uint8Array>> {
      return this.#answer("export", caller, inputs.session, { params: { sessionId } }, async (call, { params }) =>
        encodeLines(await exportSession(call, params.sessionId)),
      );
    }

    /** Creates a session from an export. */
    import(
      file: ReadableStream<Uint8Array>,
      query?: { readonly sessionId?: string },
      caller?: Caller,
    ): Promise<ImportResult> {
      return this.#answer("import", caller, inputs.import, { query }, (call, input) =>
        importSession(call, decodeLines(requireStream(file)), input.query.sessionId, isStrict(caller)),
      );
    }

    /** Starts an import in parts: for files of any length, which can be continued after an interruption. */
    beginImport(sessionId: string, request: ImportRequest, caller?: Caller): Promise<ImportState> {
      const raw = { params: { sessionId }, body: request };
      return this.#answer("beginImport", caller, inputs.beginImport, raw, (call, { params, body }) =>
        beginImport(call, params.sessionId, body),
      );
    }

    /** Sends the lines of the file after `afterLine`. */
    importLines(
      sessionId: string,
      importId: string,
      lines: ReadableStream<Uint8Array>,
      query: { readonly afterLine: number },
      caller?: Caller,
    ): Promise<ImportState> {
      const raw = { params: { sessionId, importId }, query };
      return this.#answer("importLines", caller, inputs.importPart, raw, (call, { params, query: { afterLine } }) =>
        addImportLines(
          call,
          params.sessionId,
          params.importId,
          afterLine,
          decodeLines(requireStream(lines)),
          isStrict(caller),
        ),
      );
    }

    importState(sessionId: string, importId: string, caller?: Caller): Promise<ImportState> {
      const raw = { params: { sessionId, importId } };
      return this.#answer("importState", caller, inputs.anImport, raw, (call, { params }) =>
        readImport(call, params.sessionId, params.importId),
      );
    }

    completeImport(sessionId: string, importId: string, caller?: Caller): Promise<ImportResult> {
      const raw = { params: { sessionId, importId } };
      return this.#answer("completeImport", caller, inputs.anImport, raw, (call, { params }) =>
        completeImport(call, params.sessionId, params.importId),
      );
    }

    abandonImport(sessionId: string, importId: string, caller?: Caller): Promise<ImportState> {
      const raw = { params: { sessionId, importId } };
      return this.#answer("abandonImport", caller, inputs.anImport, raw, (call, { params }) =>
        abandonImport(call, params.sessionId, params.importId),
      );
    }

    /** Streams a page of everything stored about a user as JSON Lines. */
    exportUser(userId: string, query?: UserExportQuery, caller?: Caller): Promise<ReadableStream<Uint8Array>> {
      const raw = { params: { userId }, query };
      return this.#answer("exportUser", caller, inputs.exportUser, raw, async (call, { params, query: asked }) =>
        encodeLines(await exportUser(call, params.userId, asked)),
      );
    }

    /** Erases a user everywhere, in the background. If it is repeated, it returns the progress. */
    eraseUser(userId: string, caller?: Caller): Promise<UserErasure> {
      return this.#answer("eraseUser", caller, inputs.user, { params: { userId } }, (call, { params }) =>
        eraseUser(call, params.userId),
      );
    }

    userErasure(userId: string, caller?: Caller): Promise<UserErasure> {
      return this.#answer("userErasure", caller, inputs.user, { params: { userId } }, (call, { params }) =>
        readUserErasure(call, params.userId),
      );
    }

    async #answer<S extends z.ZodType, T>(
      operation: string,
      caller: unknown,
      schema: S,
      raw: RawInput,
      perform: (call: RequestContext, input: z.output<S>, mended: readonly string[]) => Promise<T>,
    ): Promise<T> {
      const startedAt = performance.now();
      const requestId = crypto.randomUUID();
      const trace = continueTrace(null);
      const traceId = traceIdOf(trace);
      const { parts, limitRequests, log } = partsOf(this.env);
      let principal: Principal | undefined;
      let code: ProblemCode | undefined;
      try {
        principal = principalOf(this.ctx.props, caller);
        await limitRequests(principal);
        const { params: named, query, body } = raw;
        const sent = plainJson(body);
        const input = parseRequest(schema, {
          params: plainJson(named),
          query: plainJson(query),
          body: sent,
          headers: undefined,
        });
        const mended = mendedPaths(sent, isStrict(caller));
        return await perform({ principal, requestId, trace, from: null, parts }, input, mended);
      } catch (thrown) {
        const fault = faultOf(thrown);
        code = fault.code;
        if (code === "internal") log.error("rpc_failed", { requestId, traceId, ...errorFields(thrown) });
        throw remoteError(fault, requestId);
      } finally {
        const durationMs = Math.round(performance.now() - startedAt);
        const { kind, tenant } = principal ?? {};
        const level = code !== undefined && PROBLEMS[code].status >= 500 ? "warn" : "info";
        log[level]("rpc", { operation, durationMs, requestId, traceId, principalKind: kind, tenant, code });
      }
    }
  };
}

function isStrict(caller: unknown): boolean {
  return typeof caller === "object" && caller !== null && "strictText" in caller && caller.strictText === true;
}

function requireStream(file: unknown): ReadableStream<Uint8Array> {
  if (file instanceof ReadableStream) return file;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: "The file must be a ReadableStream of bytes, such as an export gives. Nothing was imported.",
    errors: [{ path: "file", detail: "must be a ReadableStream" }],
  });
}
