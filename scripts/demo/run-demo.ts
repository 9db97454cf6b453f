// The steps of the demo, and the checks behind each line that it prints.
import { setTimeout } from "node:timers/promises";
import type { Context } from "../../src/api/context.ts";
import type { SessionSettings } from "../../src/api/session.ts";
import { type Api, createApi } from "../api.ts";
import { checkContext } from "../import/check-context.ts";
import { timing } from "../import/report.ts";
import { findRunning, type Host, type HostOptions, startOwn } from "./host.ts";
import { recall } from "./recall.ts";
import { Replay } from "./replay.ts";
import { ASKED, OTHER_FACTS, QUESTION, readSample, type SampleTurn } from "./sample.ts";
import type { Screen } from "./screen.ts";

/** Much smaller than the defaults, so that a short chat shows what happens in a long one. */
const SETTINGS = {
  maxTokens: 2_000,
  summarizeAfterTokens: 1_200,
  keepRecentTokens: 500,
  summaryMaxTokens: 900,
} as const satisfies SessionSettings;
const MEASURED_READS = 21;
const SUMMARY_PATIENCE_MS = 15_000;
const STATE_EVERY_TURNS = 4;
const SHOWN_ITEMS = 6;
/** Characters of an item that are shown, about one line of a terminal. */
const SHOWN_WIDTH = 76;

/** Returns whether every check passed. */
export async function runDemo(screen: Screen, options: HostOptions): Promise<boolean> {
  const turns = readSample();
  screen.line(
    `Threadkeep demo: a chat of ${turns.length} turns, and a context of ${tokens(SETTINGS.maxTokens)} for the model.`,
  );
  screen.heading("1. The service");
  const host = await openHost(screen, options);
  try {
    return await new Demo(screen, host, turns, options.signal).run();
  } finally {
    await host.stop();
  }
}

async function openHost(screen: Screen, options: HostOptions): Promise<Host> {
  const running = await findRunning(options);
  if (running !== null) {
    screen.line(`   One runs already: ${running.url}`);
    return running;
  }
  screen.progress("   Starting one: PostgreSQL, workerd …");
  const startedAt = performance.now();
  const host = await startOwn(options);
  screen.line(
    `   The demo started its own, workerd and PostgreSQL, in ${seconds(performance.now() - startedAt)}: ${host.url}`,
  );
  return host;
}

class Demo {
  readonly #screen: Screen;
  readonly #host: Host;
  readonly #turns: readonly SampleTurn[];
  readonly #api: Api;
  readonly #session: string;
  readonly #replay: Replay;
  #summaryVersion = 0;
  #retries = 0;
  #isGood = true;

  constructor(screen: Screen, host: Host, turns: readonly SampleTurn[], signal: AbortSignal) {
    this.#screen = screen;
    this.#host = host;
    this.#turns = turns;
    this.#session = `demo-${new Date()
      .toISOString()
      .replaceAll(/[^0-9]/g, "")
      .slice(0, 17)}`;
    this.#api = createApi({
      url: host.url,
      key: host.apiKey,
      signal,
      maxRetryDelayMs: 250,
      onRetry: () => (this.#retries += 1),
    });
    this.#replay = new Replay(this.#api, this.#session);
  }

  async run(): Promise<boolean> {
    const half = Math.floor(this.#turns.length / 2);
    await this.#begin();
    await this.#replayTurns(0, half);
    const next = await this.#crash(half);
    this.#screen.heading(
      this.#host.crash === null ? "4. The rest of the chat" : "4. The rest of the chat, as if nothing had happened",
    );
    await this.#replayTurns(next, this.#turns.length);
    await this.#waitForSummary();
    await this.#checkLog("The whole chat read back");
    const context = await this.#ask();
    await this.#measure(context);
    return this.#isGood;
  }

  async #begin(): Promise<void> {
    this.#screen.heading("2. A chat about a train trip, appended turn by turn");
    await this.#api.createSession({
      id: this.#session,
      metadata: { title: "Demo: two weeks by train" },
      settings: SETTINGS,
    });
    for (const [index, turn] of this.#turns.entries()) {
      if (turn.role === "user" && ASKED.needle.test(turn.content)) {
        this.#screen.line(`   Turn ${index + 1} matters later:`);
        this.#screen.line(`   “${turn.content}”`, "strong");
        break;
      }
    }
    this.#screen.line(
      `   Older turns become a summary in the background, whenever ${tokens(SETTINGS.summarizeAfterTokens)} have gathered.`,
    );
  }

  async #replayTurns(from: number, to: number): Promise<void> {
    for (const [index, turn] of this.#turns.slice(from, to).entries()) {
      await this.#replay.append(turn);
      this.#screen.progress(`   turn ${from + index + 1} of ${this.#turns.length}`);
      if (index % STATE_EVERY_TURNS === 0) await this.#noticeSummary();
    }
    await this.#noticeSummary();
    this.#screen.line(
      `   ${to} turns are in; an append took ${show(timing(this.#replay.appendMs)?.p50Ms ?? 0)} (median).`,
    );
  }

  async #noticeSummary(): Promise<void> {
    const { summary, headSeq } = await this.#state();
    if (summary === null || summary.version === this.#summaryVersion) return;
    this.#summaryVersion = summary.version;
    this.#screen.line(
      `   at turn ${String(headSeq).padStart(3)}: summary ${summary.version} covers turns 1 to ${summary.throughSeq} with ${summary.items} items, ${tokens(summary.tokens)}`,
      "quiet",
    );
  }

  /** Kills the service while turns are being sent. Returns the first turn that was not appended yet. */
  async #crash(from: number): Promise<number> {
    const { crash } = this.#host;
    this.#screen.heading("3. kill -9, in the middle of the chat");
    if (crash === null) {
      this.#screen.line("   Left out: this service was running before the demo. To see it: npm run demo -- --own");
      return from;
    }
    const startedAt = performance.now();
    const service = { acknowledgedAtDeath: 0, isBack: false };
    const comesBack = (async () => {
      await crash(() => {
        service.acknowledgedAtDeath = this.#replay.acknowledged.length;
        this.#screen.line(
          `   Killed: the Worker, workerd and PostgreSQL, all at once. ${service.acknowledgedAtDeath} turns were acknowledged, the next was on its way.`,
        );
        this.#screen.progress("   starting again …");
      });
      service.isBack = true;
    })();
    // Turns are sent until one gets no answer. It is sent again with the same id until the service answers.
    let next = from;
    for (const turn of this.#turns.slice(from)) {
      await Promise.race([this.#replay.append(turn), failWith(comesBack)]);
      next += 1;
      if (service.isBack) break;
    }
    await comesBack;
    this.#screen.line(
      `   Started again on the same data; back after ${seconds(performance.now() - startedAt)}. Turn ${service.acknowledgedAtDeath + 1} was tried ${this.#retries + 1} times, always with the same id.`,
    );
    await this.#checkLog("The log read back");
    return next;
  }

  async #checkLog(what: string): Promise<void> {
    const fault = await this.#replay.findFault();
    const count = this.#replay.acknowledged.length;
    this.#check(
      fault === null,
      `${what}: each of the ${count} acknowledged turns is there exactly once, in order, word for word.`,
      `${what}: ${fault ?? ""}`,
    );
  }

  async #waitForSummary(): Promise<void> {
    const deadline = performance.now() + SUMMARY_PATIENCE_MS;
    while ((await this.#state()).summaryPending) {
      if (performance.now() > deadline) {
        this.#check(false, "", `A summary is still pending after ${seconds(SUMMARY_PATIENCE_MS)}`);
        return;
      }
      await setTimeout(20);
    }
    await this.#noticeSummary();
  }

  async #ask(): Promise<Context> {
    this.#screen.heading("5. A question about the beginning");
    await this.#replay.append({ id: "question", role: "user", content: QUESTION });
    this.#screen.line(`   “${QUESTION}”`, "strong");
    const context = await this.#api.context(this.#session, SETTINGS.maxTokens);
    this.#screen.line(
      `   What a model gets now, ${context.tokens.used.toLocaleString("en")} of ${tokens(context.tokens.budget)}:`,
    );
    this.#showSummary(context);
    this.#showRecent(context);
    const item = recall(context, ASKED);
    const source = this.#turns[(item?.sourceSeqs[0] ?? 0) - 1];
    this.#check(
      item !== null,
      `It still knows ${ASKED.what}, and cites turn ${item?.sourceSeqs.join(", ")}: “${source?.content ?? ""}”`,
      `The context no longer knows ${ASKED.what}`,
    );
    const known = OTHER_FACTS.filter((fact) => recall(context, fact) !== null).map(({ what }) => what);
    this.#screen.line(
      `     Of four other things from the first turns it knows ${known.length}${known.length === 0 ? "" : `: ${known.join(", ")}`}.`,
    );
    return context;
  }

  #showSummary(context: Context): void {
    const items = context.summary?.items ?? [];
    const asked = recall(context, ASKED);
    this.#screen.line(
      `     the summary of turns 1 to ${context.summary?.throughSeq ?? 0}, ${items.length} items, among them`,
    );
    const shown = items.filter((item, index) => item === asked || index < SHOWN_ITEMS);
    for (const item of shown) {
      const text = `       ${item.kind.padEnd(10)} ${cut(item.text)} ← turn ${item.sourceSeqs.join(", ")}`;
      this.#screen.line(text, item === asked ? "strong" : "quiet");
    }
  }

  #showRecent(context: Context): void {
    const first = context.messages[0];
    const last = context.messages.at(-1);
    if (first === undefined || last === undefined) return;
    this.#screen.line(`     and word for word turns ${first.seq} to ${last.seq}, the last being`);
    const text = typeof last.content === "string" ? last.content : "";
    this.#screen.line(`       ${last.role.padEnd(10)} ${cut(text)}`, "quiet");
  }

  async #measure(context: Context): Promise<void> {
    this.#screen.heading("6. Measured");
    const readMs: number[] = [];
    for (let read = 0; read < MEASURED_READS; read += 1) {
      const startedAt = performance.now();
      await this.#api.context(this.#session, SETTINGS.maxTokens);
      readMs.push(performance.now() - startedAt);
    }
    const check = checkContext(context, SETTINGS.maxTokens);
    const { messageTokens } = await this.#state();
    this.#check(check.isWithinBudget, "The context is within its budget.", "The context is over its budget");
    this.#check(
      check.gaps === 0 && check.omitted === 0,
      "Every turn is in the summary or there word for word: nothing is missing, nothing left out.",
      `${check.gaps} turns are missing without a word, ${check.omitted} are left out`,
    );
    this.#check(
      check.items > 0 && check.citedItems === check.items,
      "Every item of the summary names the turns that it rests on.",
      `${check.items - check.citedItems} items name no turn that they rest on`,
    );
    this.#screen.line();
    const read = timing(readMs)?.p50Ms ?? 0;
    this.#screen.line(
      `${tokens(messageTokens, "-token")} chat → ${tokens(context.tokens.used, "-token")} context, ${check.gaps} gaps, ${check.citedItems} items cited, read in ${show(read)}`,
      "strong",
    );
  }

  #check(holds: boolean, good: string, bad: string): void {
    if (holds) this.#screen.good(good);
    else {
      this.#isGood = false;
      this.#screen.bad(bad);
    }
  }

  async #state() {
    const state = await this.#api.session(this.#session);
    if (state === null) throw new Error(`The session ${this.#session} is gone`);
    return state;
  }
}

/** A promise that never resolves, and rejects when the given one does. */
function failWith(promise: Promise<void>): Promise<never> {
  return new Promise((_, reject) => {
    promise.catch(reject);
  });
}

function tokens(count: number, unit = " tokens"): string {
  return `${count.toLocaleString("en")}${unit}`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function show(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

function cut(text: string): string {
  const line = text.replaceAll(/\s+/g, " ");
  return line.length <= SHOWN_WIDTH ? line : `${line.slice(0, SHOWN_WIDTH - 1)}…`;
}
