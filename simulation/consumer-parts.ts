import type { SummarizerAnswer, SummarizerRequest } from "../src/api/summarizer.ts";
import type { AtGate, Passage } from "./activity.ts";
import { checkArchive } from "./check-archive.ts";
import type { Consumer } from "./consumer.ts";
import { rangeOf } from "./job-calls.ts";
import { namespaceOf } from "./network.ts";
import type { Random } from "./random.ts";
import { jobsOf } from "./rows.ts";
import { SILENT } from "./silent-log.ts";
import type { ArchiveFault } from "./simulated-archive.ts";
import { embed, EMBEDDING_MODEL } from "./simulated-embedder.ts";
import { answerOf, fallbackOf, reword } from "./simulated-summarizer.ts";
import type { ConsumerDeps, WithDatabase } from "./system-types.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** The dependencies of a consumer: it stops before each call of them, and meets the faults that a step requests. */

/** A batch of the archive is one statement, and a transaction of other work has a few. */
const FARTHEST_STATEMENT = 5;

function archiveFault(random: Random): ArchiveFault {
  const choice = random.next();
  if (choice < 0.25) return { kind: "refused" };
  if (choice < 0.5) return { kind: "broken", statements: random.below(FARTHEST_STATEMENT) };
  if (choice < 0.6) return { kind: "refusedStatement", statements: random.below(FARTHEST_STATEMENT) };
  if (choice < 0.8) return { kind: "refusedSessions", parity: random.of(0, 1) };
  return { kind: "commitUnconfirmed" };
}

export function partsOf(world: World, atGate: AtGate, consumer: Consumer): ConsumerDeps {
  const { system } = world;
  const isolate = world.random.pick(world.isolates) ?? world.newIsolate();
  const seen = new Set<string>();
  const atJobGate: AtGate = (label, body, options) => {
    if (label.startsWith("beginSummary") && seen.has("paused") && !seen.has("on")) {
      throw new Violation(0, "a summary is begun, and all that its consumer knows is that its tenant paused them");
    }
    return atGate(label, body, options);
  };
  // It is called during a use of the archive, while nothing else reaches this gate: it would wait for itself.
  const atUserGate: AtGate = (label, body, options) =>
    label.startsWith("directory.noteFound") ? body("well") : atGate(label, body, options);
  return {
    sessions: system.createSessionClient(namespaceOf(world, "session", atJobGate)),
    directory: system.createDirectoryClient(namespaceOf(world, "directory", atGate)),
    users: system.createUserClient(namespaceOf(world, "directory", atUserGate)),
    operations: system.createOperationsClient(namespaceOf(world, "operations", atGate)),
    // Nothing depends on what it counts.
    archiveOutage: { note: async () => undefined, over: async () => undefined },
    tenants: {
      read: (tenant) =>
        atGate("tenants.read", async () => {
          const settings = await isolate.read(tenant);
          seen.add(settings.summarization);
          return settings;
        }),
      spend: (tenant, usage) =>
        atGate("tenants.spend", async (passage) => {
          if (passage === "faulty") throw new Error("the tenant is out of reach, as the simulation asked");
          return isolate.spend(tenant, usage);
        }),
      spendOnEmbeddings: (tenant, usage) =>
        atGate("tenants.spendOnEmbeddings", async (passage) => {
          if (passage === "faulty") throw new Error("the tenant is out of reach, as the simulation asked");
          return isolate.spendOnEmbeddings(tenant, usage);
        }),
    },
    summarizer: {
      summarize: (request) => atGate("summarize", (passage) => summarize(world, request, passage)),
    },
    fallback: world.hasFallback
      ? { summarize: (request) => atGate("fallback", (passage) => fallback(request, passage)) }
      : null,
    embedder: world.hasEmbedder
      ? {
          model: EMBEDDING_MODEL,
          maxTexts: 64,
          isResting: () => false,
          embed: (texts) => atGate("embed", (passage) => embed(world, texts, passage)),
        }
      : null,
    withDatabase: onArchive(world, atGate, () => consumer.noteFault()),
    log: SILENT,
  };
}

/** The archive, for a consumer that stops before each use of it. */
export function onArchive(world: World, atGate: AtGate, onAway: () => void): WithDatabase {
  return (body) =>
    atGate("archive", async (passage) => {
      const before = world.archive.copy;
      const isDown = world.archiveState === "down";
      if (isDown) onAway();
      const given = world.nextArchiveFault;
      if (passage === "faulty") world.nextArchiveFault = null;
      const fault = isDown
        ? ({ kind: "refused" } as const)
        : passage === "faulty"
          ? (given ?? archiveFault(world.random))
          : null;
      try {
        return await world.archive.run(body, fault);
      } finally {
        checkArchive(world, before);
      }
    });
}

async function summarize(world: World, request: SummarizerRequest, passage: Passage): Promise<SummarizerAnswer> {
  const { random } = world;
  const { ProviderError } = world.system;
  if (world.summarizerState === "down") {
    // A consumer that knows that it is down does not call it, and makes the fallback summary at once.
    throw new ProviderError(world.hasFallback && random.chance(0.7) ? "circuit_open" : "unreachable", "HTTP 503");
  }
  if (passage === "faulty") {
    const choice = random.next();
    if (choice < 0.25) throw new ProviderError("invalid_answer", "/items invalid_type");
    if (choice < 0.5) throw new ProviderError("timeout", "no answer in time");
    if (choice < 0.75)
      throw new ProviderError("tool_error", "the tool reported a failure", {
        retryAfterSeconds: random.between(1, 900),
      });
    throw new Error("the isolate ran out of memory, as the simulation asked");
  }
  if (request.messages.length === 0) throw new Violation(10, "the model is paid for a range in which nothing was said");
  const asked = world.leases.get(request);
  if (asked === undefined) throw new Violation(10, "the summarizer is asked for what no object handed out");
  // A consumer that was held up for longer than its lease is considered dead, and cannot know.
  const isHeld = jobsOf(asked.session.object).some(({ lease }) => lease === asked.lease);
  if (isHeld && asked.session.paid.has(rangeOf(request))) {
    throw new Violation(10, `the model is paid twice for the same range: ${rangeOf(request)}`);
  }
  const answer = answerOf(request, random);
  const reworded = reword(request, world.aside);
  if (reworded === null) return answer;
  world.epochs.noteReworded(reworded.text);
  return { ...answer, items: [...answer.items, reworded] };
}

/** It costs nothing, and so may be called again. */
async function fallback(request: SummarizerRequest, passage: Passage): Promise<SummarizerAnswer> {
  if (passage === "faulty") throw new Error("the isolate ran out of memory, as the simulation asked");
  return fallbackOf(request);
}
