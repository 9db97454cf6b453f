import { registerHooks } from "node:module";
import type { AppendRequest, AppendResult } from "../../../src/contracts/append.ts";
import type { Context, ContextRequest } from "../../../src/contracts/context.ts";
import type { Outcome } from "../../../src/contracts/errors.ts";
import type { LogProof, SessionProof, SourcesProof, SummaryProof } from "../../../src/contracts/finding.ts";
import type { Failure, Job, JobMessage, SummarizeRequest } from "../../../src/contracts/job.ts";
import type { Erasure, Message, MessagePatch } from "../../../src/contracts/message.ts";
import type { Page } from "../../../src/contracts/page.ts";
import type {
  Metadata,
  SessionPatch,
  SessionRef,
  SessionSettings,
  SessionState,
} from "../../../src/contracts/session.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../../src/contracts/summarizer.ts";
import type { Summary } from "../../../src/contracts/summary.ts";
import type { TenantSettings } from "../../../src/contracts/tenant.ts";
import type { EndLine, MessageLine, SessionLine, TransferLine } from "../../../src/contracts/transfer.ts";
import type { SummarizerErrorKind } from "../../../src/summarizer/summarizer-error.ts";
import { type Patch, patchesOf } from "./planted-bugs.ts";

/**
 * The real modules of src/, loaded in Node. Their types name globals of the Workers runtime that programs for Node do not have, so what
 * the simulation uses of them is written down here.
 */

export interface Birth {
  readonly ref: SessionRef;
  readonly createdAt: number;
  readonly metadata?: Metadata;
  readonly settings?: SessionSettings;
}

export interface Created {
  readonly session: SessionState;
  readonly created: boolean;
}

/** One life of a session. */
export interface Life {
  readonly session: string;
  readonly incarnation: string;
}

/** What a fork is made of. */
export interface ForkSource extends Life {
  readonly isNewest?: boolean;
  readonly throughSeq: number;
  readonly metadata: Metadata;
  readonly settings: SessionSettings;
}

/** What an export begins with. */
export interface ExportHead {
  readonly line: SessionLine;
  readonly incarnation: string;
  readonly headSeq: number;
  readonly changes: number;
}

/** A page of the end of an export. */
export interface ExportEnd {
  readonly lines: readonly TransferLine[];
  readonly next: object | null;
  readonly end: EndLine | null;
}

export interface BegunImport {
  readonly id: string;
  readonly throughLine: number;
  readonly patienceMs: number;
}

export interface NumberedLine {
  readonly number: number;
  readonly line: TransferLine;
  readonly vouchedBy?: Life | undefined;
}

/** What an import claims that a session said. */
export interface Claim {
  readonly text: string;
  readonly sourceSeqs: readonly number[];
}

/** The session object, as far as the simulation and the consumers call it. */
export interface SessionInstance {
  create(birth: Birth, tenant?: TenantSettings, continued?: Life): Promise<Outcome<Created>>;
  append(request: AppendRequest, birth: Birth | null, tenant?: TenantSettings): Promise<Outcome<AppendResult>>;
  state(tenant?: TenantSettings): Promise<Outcome<SessionState>>;
  update(patch: SessionPatch, tenant?: TenantSettings): Promise<Outcome<SessionState>>;
  messages(query: { afterSeq?: number; beforeSeq?: number; limit: number }): Promise<Outcome<Page<Message>>>;
  message(id: string): Promise<Outcome<Message>>;
  editMessage(id: string, patch: MessagePatch): Promise<Outcome<Message>>;
  eraseMessage(id: string): Promise<Outcome<Erasure>>;
  erase(): Promise<Outcome<Erasure>>;
  context(request: ContextRequest, tenant?: TenantSettings): Promise<Outcome<Context>>;
  summaries(before: number | undefined, limit: number): Promise<Outcome<Page<Summary>>>;
  summarize(request: SummarizeRequest): Promise<Outcome<{ job: Job | null; summary: Summary | null }>>;
  beginFork(copy: string, throughSeq: number | undefined): Promise<Outcome<ForkSource>>;
  createFork(birth: Birth, source: ForkSource, waitMs: number, tenant?: TenantSettings): Promise<Outcome<Created>>;
  beginContinuation(copy: string): Promise<Outcome<Life>>;
  beginExport(): Promise<Outcome<ExportHead>>;
  exportPage(head: ExportHead, afterSeq: number): Promise<Outcome<MessageLine[]>>;
  endExport(head: ExportHead, from?: object | null): Promise<Outcome<ExportEnd>>;
  beginImport(birth: Birth, begun: BegunImport, tenant?: TenantSettings): Promise<Outcome<{ incarnation: string }>>;
  saveImportPage(
    incarnation: string,
    lines: readonly NumberedLine[],
    throughLine: number,
  ): Promise<Outcome<{ readonly throughLine: number; readonly dropped: number }>>;
  finishImport(incarnation: string): Promise<Outcome<unknown>>;
  vouch(copy: string, claims: readonly Claim[]): Promise<Outcome<Life & { readonly answers: boolean[] }>>;
  abandonImport(incarnation: string): Promise<void>;
  proof(): Promise<SessionProof>;
  proofOfLog(incarnation: string, afterSeq: number): Promise<LogProof | null>;
  proofOfSummary(incarnation: string, afterVersion: number): Promise<SummaryProof | null>;
  proofOfSources(incarnation: string, afterRow: number): Promise<SourcesProof | null>;
  alarm(): Promise<void>;
}

export interface SimulatedMessage {
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

/** What consume() is made of. `sessions` gives an object by its names; its methods are those of the real one. */
export interface SimulatedParts {
  readonly sessions: { get(ref: SessionRef): unknown };
  readonly directory: {
    remove(ref: SessionRef): Promise<{ readonly state: "gone" }>;
    setExpired(ref: SessionRef, isExpired: boolean, decidedAt: number): Promise<boolean>;
  };
  readonly tenants: { read(tenant: string): Promise<TenantSettings>; spend(): Promise<void> };
  readonly operations: {
    report(failure: Failure): Promise<void>;
    clear(jobId: string): Promise<void>;
    settleLate(jobId: string): Promise<void>;
  };
  readonly summarizer: { summarize(request: SummarizerRequest): Promise<SummarizerAnswer> };
  readonly makeshift: { summarize(request: SummarizerRequest): Promise<SummarizerAnswer> } | null;
  readonly withDatabase: <T>(body: (database: unknown) => Promise<T>) => Promise<T>;
  readonly log: Record<"debug" | "info" | "warn" | "error", (event: string, fields?: object) => void>;
}

export interface SessionEnvironment {
  readonly SUMMARIZE_QUEUE: { send(message: JobMessage): Promise<void> };
  readonly ARCHIVE_QUEUE: { send(message: JobMessage): Promise<void> };
  readonly OPERATIONS: { getByName(name: string): { noteLate(): Promise<void> } };
}

export interface System {
  readonly ChatSession: new (ctx: object, env: SessionEnvironment) => SessionInstance;
  readonly consume: (batch: SimulatedBatch, parts: SimulatedParts) => Promise<void>;
  readonly SummarizerError: new (kind: SummarizerErrorKind, detail: string, retryAfterSeconds?: number) => Error;
}

const SOURCES = new URL("../../../src/", import.meta.url).href;
const STAND_IN = new URL("durable-object.ts", import.meta.url).href;
/** Names the variant of a module: what is patched in it. */
const VARIANT = "simulation";

/** Patches of a variant that have been applied, to find those that no module was loaded for. */
const applied = new Map<string, Set<Patch>>();
let isHooked = false;

function variantOf(url: string | undefined): string | null {
  return url?.startsWith(SOURCES) === true ? new URL(url).searchParams.get(VARIANT) : null;
}

function hook(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === "cloudflare:workers") return { url: STAND_IN, shortCircuit: true };
      const resolved = nextResolve(specifier, context);
      const variant = variantOf(context.parentURL);
      if (variant === null || !resolved.url.startsWith(SOURCES)) return resolved;
      return { ...resolved, url: `${resolved.url}?${VARIANT}=${variant}` };
    },
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const variant = variantOf(url);
      if (variant === null) return loaded;
      const file = new URL(url).pathname.slice(new URL(SOURCES).pathname.length);
      const patches = patchesOf(variant).filter((patch) => patch.file === file);
      if (patches.length === 0) return loaded;
      const { source } = loaded;
      let text = typeof source === "string" ? source : new TextDecoder().decode(source ?? undefined);
      for (const patch of patches) {
        text = patched(text, patch, variant);
        applied.get(variant)?.add(patch);
      }
      return { ...loaded, source: text };
    },
  });
}

function patched(text: string, patch: Patch, variant: string): string {
  const parts = text.split(patch.replace);
  if (parts.length !== 2) {
    throw new Error(
      `The variant "${variant}" of the simulation replaces a text that src/${patch.file} holds ${parts.length - 1} times:\n` +
        `${patch.replace}\nBring test/support/simulation/planted-bugs.ts up to date with that file.`,
    );
  }
  return parts.join(patch.by);
}

const systems = new Map<string, Promise<System>>();

/** The code under test, with a bug planted in it if one is named. Loaded once a variant. */
export function loadSystem(variant: string): Promise<System> {
  const system = systems.get(variant) ?? load(variant);
  systems.set(variant, system);
  return system;
}

async function load(variant: string): Promise<System> {
  hook();
  applied.set(variant, new Set());
  const moduleOf = (file: string): Promise<Record<string, unknown>> =>
    import(`${SOURCES}${file}?${VARIANT}=${variant}`);
  const { ChatSession } = (await moduleOf("session/chat-session.ts")) as Pick<System, "ChatSession">;
  const { consume } = (await moduleOf("pipeline/consume.ts")) as Pick<System, "consume">;
  const { SummarizerError } = (await moduleOf("summarizer/summarizer-error.ts")) as Pick<System, "SummarizerError">;
  for (const patch of patchesOf(variant)) {
    if (applied.get(variant)?.has(patch) !== true) {
      throw new Error(
        `The variant "${variant}" patches src/${patch.file}, which nothing imports. Name the file that does it now.`,
      );
    }
  }
  return { ChatSession, consume, SummarizerError };
}
