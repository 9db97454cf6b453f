import { type AddressInfo, connect, createServer } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { createTalk } from "../../tools/bench/talk.ts";
import { Chat, messageId } from "../../tools/load/chat.ts";
import type { Customer } from "../../tools/load/customers.ts";
import { type LoadOptions, loadProgram } from "../../tools/load/options.ts";
import { OPERATIONS } from "../../tools/load/play.ts";
import { haveHeld, judge, type Evidence } from "../../tools/load/promises.ts";
import { compare, type ReadBack } from "../../tools/load/read-back.ts";
import { planBursts, planHumanTurns } from "../../tools/load/schedule.ts";
import { whenCalledFor } from "../../tools/load/updates.ts";
import { shardOf } from "../../tools/rig/shards.ts";
import { startSlowWire } from "../../tools/rig/slow-wire.ts";
import { readCommandLine } from "../support/command-line.ts";

describe("the turns of a chat under load", () => {
  const pace = { seconds: 600, gapSeconds: { from: 20, to: 60 } };

  it("are the same for the same seed, are spaced within the gaps, and end with the load", () => {
    const turns = [...planHumanTurns(pace, 7)];
    expect(turns).toEqual([...planHumanTurns(pace, 7)]);
    expect(turns).not.toEqual([...planHumanTurns(pace, 8)]);
    expect(turns[0]?.dueMs).toBeLessThan(60_000);
    for (const [index, { dueMs, answerDueMs }] of turns.entries()) {
      expect(dueMs).toBeLessThan(600_000);
      expect(answerDueMs).toBeGreaterThan(dueMs);
      const next = turns[index + 1]?.dueMs ?? dueMs + 20_000;
      expect(answerDueMs).toBeLessThan(next);
      expect(next - dueMs).toBeGreaterThanOrEqual(20_000);
      expect(next - dueMs).toBeLessThanOrEqual(60_000);
    }
  });

  it("of many chats are spread evenly from the start", () => {
    const due = Array.from({ length: 1_000 }, (_, seed) => [...planHumanTurns(pace, seed)].map(({ dueMs }) => dueMs));
    const inMinute = (minute: number): number => due.flat().filter((ms) => Math.floor(ms / 60_000) === minute).length;
    for (const minute of [1, 5, 9]) expect(Math.abs(inMinute(minute) / 1_500 - 1)).toBeLessThan(0.1);
  });

  it("of a burst are due at one moment, after each silence", () => {
    const [one, other] = [[...planBursts(60, 20, 1)], [...planBursts(60, 20, 2)]];
    expect(one.map(({ dueMs }) => dueMs)).toEqual([20_000, 40_000]);
    expect(other.map(({ dueMs }) => dueMs)).toEqual([20_000, 40_000]);
    expect(one[0]?.answerDueMs).not.toBe(other[0]?.answerDueMs);
  });
});

it("a session is always in the same shard, and each shard has its share", () => {
  const names = Array.from({ length: 4_000 }, (_, index) => `customer-1/user-${index}/chat-${index}`);
  const counts = [0, 0, 0, 0];
  for (const name of names) counts[shardOf(name, 4)] = (counts[shardOf(name, 4)] ?? 0) + 1;
  for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(120);
});

describe("the comparison of a session with what its client was told", () => {
  /** Three messages, the second of which was not answered. */
  const seqs = [1, 0, 2];
  const talk = createTalk(3);
  const script = new Map(seqs.map((_, index) => [messageId(index), talk()]));
  const chat = { seqs, script: () => script };
  const stored = (id: number, seq: number, content = script.get(messageId(id))?.content) => ({
    id: messageId(id),
    seq,
    role: "user",
    content,
  });

  it.each([
    ["all is there", [stored(0, 1), stored(2, 2)], 0, 0],
    ["what was not answered is there too", [stored(0, 1), stored(2, 2), stored(1, 3)], 0, 0],
    ["an acknowledged message is gone", [stored(0, 1)], 1, 0],
    ["one has another seq", [stored(2, 1), stored(0, 2)], 2, 0],
    ["one says something else", [stored(0, 1, "changed"), stored(2, 2)], 1, 0],
    ["one is there twice", [stored(0, 1), stored(2, 2), stored(2, 3)], 1, 1],
    ["a seq is missing", [stored(0, 1), stored(2, 2), stored(1, 4)], 0, 1],
    ["one was never sent", [stored(0, 1), stored(2, 2), stored(9, 3, "made up")], 0, 1],
  ])("%s", (_what, found, lost, doubled) => {
    const result = compare(chat, found);
    expect([result.lost.length, result.doubled.length]).toEqual([lost, doubled]);
  });

  it("uses what the chat itself sent", () => {
    const customer: Customer = { tenant: "t", access: [{ url: "", apiKey: "", client: undefined as never }] };
    const own = new Chat("chat", customer, 3);
    own.seqs.push(1, 2);
    expect([...own.script()]).toEqual([...script].slice(0, 2));
  });
});

describe("the append that made a summary due", () => {
  const turn = (sentAt: number, isPending: boolean) => ({ sentAt, isPending });
  const answer = (sentAt: number) => ({ sentAt, isPending: null });

  it.each([
    ["is the last one before the summary could be read", [turn(1, false), answer(2), turn(3, false)], 4, 3],
    ["is the answer, where that was the last", [turn(1, false), answer(2), turn(9, false)], 4, 2],
    ["is the first that was told of it", [turn(1, false), answer(2), turn(3, true), answer(4), turn(5, true)], 6, 3],
    ["is none, where none was sent before", [turn(5, false)], 4, null],
  ])("%s", (_what, appends, readableAt, calledFor) => {
    expect(whenCalledFor(appends, readableAt)).toBe(calledFor);
  });
});

describe("the promises of a load", () => {
  const ms = { count: 200, p50Ms: 5, p95Ms: 20, p99Ms: 50, maxMs: 60 };
  const readBack: ReadBack = {
    sessions: 1,
    messages: 1,
    lost: 0,
    doubled: 0,
    gaps: 0,
    unread: 0,
    unsettled: 0,
    examples: [],
    states: new Map(),
  };
  const good: Evidence = {
    scenario: "human",
    judgesTimes: true,
    rows: [{ operation: OPERATIONS.turn, sent: 200, succeeded: 199, ms }],
    readBack,
    updates: { made: 1, readable: ms, archived: ms, lag: ms, missing: [] },
    socketFaults: [],
  };

  it("hold if all is well", () => expect(haveHeld(judge(good))).toBe(true));

  it.each<[string, Partial<Evidence>]>([
    ["too few answers", { rows: [{ operation: OPERATIONS.turn, sent: 200, succeeded: 198, ms }] }],
    ["no request at all", { rows: [] }],
    ["a lost message", { readBack: { ...readBack, lost: 1 } }],
    ["a message that is there twice", { readBack: { ...readBack, doubled: 1 } }],
    ["a gap", { readBack: { ...readBack, gaps: 1 } }],
    ["a session that cannot be read", { readBack: { ...readBack, unread: 1 } }],
    ["a summary that does not come", { readBack: { ...readBack, unsettled: 1 } }],
    ["a summary that PostgreSQL has not", { updates: { ...good.updates, missing: ["chat-1"] } }],
    ["a socket that was not told", { socketFaults: ["chat-1"] }],
    ["a slow read", { rows: [{ operation: OPERATIONS.turn, sent: 200, succeeded: 200, ms: { ...ms, p99Ms: 101 } }] }],
    ["a slow update", { updates: { ...good.updates, archived: { ...ms, p99Ms: 2_001 } } }],
  ])("break by %s", (_what, change) => expect(haveHeld(judge({ ...good, ...change }))).toBe(false));

  it("are not judged by their times on request", () => {
    const slow = { ...good.updates, archived: { ...ms, p99Ms: 9_000 } };
    expect(haveHeld(judge({ ...good, updates: slow, judgesTimes: false }))).toBe(true);
  });
});

describe("the command line of the load", () => {
  const read = (args: readonly string[], cores: number) =>
    readCommandLine<LoadOptions>((run) => loadProgram(run, cores), args);

  it("is a quick look by default, with one workerd for each core", async () => {
    expect(await read([], 3)).toMatchObject({
      options: { scenario: "human", sessions: 200, seconds: 30, workers: 3, gapSeconds: { from: 20, to: 60 }, seed: 1 },
    });
    expect(await read(["--scenario", "slow-model"], 1)).toMatchObject({ options: { delayMs: 10_000 } });
    expect(await read(["--limits", "off", "--no-times"], 1)).toMatchObject({
      options: { hasLimits: false, judgesTimes: false },
    });
  });

  it.each([
    [["--scenario", "lunch"], "lunch"],
    [["--sessions", "0"], "--sessions"],
    [["--sessions", "50001"], "--sessions"],
    [["--gap", "20"], "--gap"],
    [["--gap", "60-20"], "--gap"],
    [["--gap", "1-2"], "--gap"],
    [["--limits", "some"], "--limits"],
    [["--scenario", "burst", "--silence", "30"], "--silence"],
    [["human"], "human"],
  ])("refuses %j, and says what is wrong", async (args, named) => {
    const parsed = await read(args, 2);
    expect("fault" in parsed && parsed.fault).toContain(named);
  });
});

it("data over a slow connection is late, complete and in order", async () => {
  const server = createServer((socket) => {
    socket.on("data", (chunk) => socket.write(chunk));
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const wire = await startSlowWire((server.address() as AddressInfo).port);
  onTestFinished(() => wire.close());
  const client = connect(wire.port, "127.0.0.1");
  let received = "";
  const receive = async (text: string): Promise<void> => {
    while (received.length < text.length) {
      await new Promise((resolve) => client.once("data", (chunk) => resolve((received += chunk.toString()))));
    }
  };
  wire.delay(150);
  const sentAt = performance.now();
  client.write("a");
  await receive("a");
  expect(performance.now() - sentAt).toBeGreaterThanOrEqual(149);
  wire.delay(0);
  client.write("b");
  client.write("c");
  await receive("abc");
  expect(received).toBe("abc");
  client.destroy();
});
