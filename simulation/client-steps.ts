import type { AppendRequest } from "../src/api/append.ts";
import type { ContextFormat, ContextRequest } from "../src/api/context.ts";
import type { NewMessage } from "../src/api/message.ts";
import type { SessionPatch } from "../src/api/session.ts";
import { become } from "./become.ts";
import { boundAside } from "./budget-steps.ts";
import { asideOf, newMessage, secretsOf, secretWord, toolExchange, words } from "./chat-content.ts";
import { checkFoundByMeaning } from "./check-vectors.ts";
import { type ClientCall, describeEnd } from "./client-call.ts";
import { ask, begin, drop, goOn } from "./clients.ts";
import { leaveBranchBy } from "./expectations.ts";
import { editOne, pickGiven } from "./given-steps.ts";
import { ringAtOnce, workOff } from "./machine-steps.ts";
import { appendTo, type ModelMessage } from "./model.ts";
import { isCopied, logOf, pickChanged, pickSession } from "./pick-session.ts";
import { randomSettings } from "./random-settings.ts";
import type { Random } from "./random.ts";
import { newestVersionIn } from "./rows.ts";
import { asSent, takeIn } from "./unstorable.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What clients do. Each step returns a line about what it did; answers are compared with the model when the session's object is called. */

/** Beyond this number a session gets no new messages: long chats find nothing that short ones do not, and cost time. */
const MAX_MESSAGES = 90;
/** The share of appends that start a branch. */
const BRANCH_SHARE = 0.12;
/** The share of requests for a summary, of erasures, and of reads that are followed by restoring an earlier version. */
const RESTORE_SHARE = 0.3;
/** After erasures and edits the share is higher, because an earlier version may cover what is gone. */
const RESTORE_AFTER_CHANGE_SHARE = 0.6;
/** The share of requests that create a session while another request does the same. */
const FIRST_AT_ONCE_SHARE = 0.25;
const FORMATS = ["threadkeep", "openai-chat", "openai-responses", "anthropic", "ai-sdk", "ui", "text"] as const;
const BUDGETS = [256, 300, 500, 1_000, 3_000, 20_000] as const;

// Append

function requestOf(world: World, session: SimulatedSession): AppendRequest {
  const { random } = world;
  const log = logOf(session);
  const isFull = log.length >= MAX_MESSAGES;
  const messages: NewMessage[] = [];
  const count = random.of(1, 1, 1, 2, 3, 5);
  for (let made = 0; made < count; made += 1) {
    const known = random.pick(log);
    if (known !== undefined && (isFull || random.chance(0.15))) {
      // A retry, rarely with other content.
      const other = random.chance(0.1) ? { content: `${words(random, 3)} ${secretWord(random)}` } : {};
      if (!messages.some(({ id }) => id === known.id)) messages.push({ ...known.sent, ...other });
    } else if (!isFull) {
      const { habits } = world;
      for (const message of random.chance(0.15) ? toolExchange(random, habits) : [newMessage(random, habits)]) {
        const id = random.chance(0.1) ? random.pick(session.pastIds.filter(isClientId)) : undefined;
        const isFree = id !== undefined && ![...log, ...messages].some((other) => other.id === id);
        const named = random.chance(0.7)
          ? { ...message, id: isFree ? id : `m-${random.seed().toString(36)}` }
          : message;
        messages.push(asideOf(world.aside, named, pinsOf(log)));
      }
    }
  }
  if (messages.length === 0) messages.push(newMessage(random, world.habits));
  // An edited question, or a regenerated answer; mostly of the last turns.
  const [first] = messages;
  if (first !== undefined && log.length > 0 && !log.some(({ id }) => id === first.id) && random.chance(BRANCH_SHARE)) {
    const from = random.chance(0.7) ? Math.max(0, log.length - 4) : 0;
    messages[0] = { ...first, afterSeq: random.between(from, log.length) };
  }
  return {
    messages,
    ...expectationOf(random, session.model?.headSeq ?? 0),
    ...(random.chance(0.25) ? { context: contextRequest(random, session) } : {}),
  };
}

/** Messages that may be pinned again with the same text. */
function pinsOf(log: readonly ModelMessage[]): NewMessage[] {
  return log.flatMap(({ content, isPinned, sent }) =>
    content !== null && isPinned && sent.role !== "tool" ? [{ ...sent, content }] : [],
  );
}

/** The request as a client sends it, and as the service receives it. */
function sendAppend({ aside, system }: World, request: AppendRequest): AppendRequest {
  const places: string[] = [];
  const messages = request.messages.map((message, index) => {
    const sent = asSent(aside, message.content, `/messages/${index}/content`);
    places.push(...sent.places);
    return { ...message, content: sent.value };
  });
  return takeIn(system, system.appendRequestSchema, { ...request, messages }, { due: request, places });
}

function isClientId(id: string): boolean {
  return !id.startsWith("seq-");
}

function expectationOf(random: Random, headSeq: number): { expectedHeadSeq?: number } {
  if (!random.chance(0.15)) return {};
  return { expectedHeadSeq: random.chance(0.7) ? headSeq : random.below(headSeq + 3) };
}

function namesOf(messages: readonly NewMessage[]): string {
  return messages
    .map(({ id, role, pinned }) => `${role} ${id ?? "(no id)"}${pinned === true ? " (pinned)" : ""}`)
    .join(", ");
}

export async function append(world: World): Promise<string> {
  const session = pickSession(world);
  const request = sendAppend(world, requestOf(world, session));
  const other = await beginAside(world, session, request);
  const call = await ask(world, `append ${session.label}`, session.space, (by) =>
    world.system.appendMessages(by, session.ref.session, request),
  );
  if (other !== null) await goOn(world, other);
  const expectation = request.expectedHeadSeq === undefined ? "" : `, expecting head ${request.expectedHeadSeq}`;
  const context = request.context === undefined ? "" : `, with a context ${JSON.stringify(request.context)}`;
  const beside =
    other === null ? "" : `; concurrently with one that was held up at the directory → ${describeEnd(other.ended)}`;
  return `${session.label}: ${namesOf(request.messages)}${expectation}${context} → ${appended(call)}${beside}`;
}

/** Another request that creates the same session, sometimes with the same messages; it is held up while its object asks the directory. */
async function beginAside(world: World, session: SimulatedSession, request: AppendRequest): Promise<ClientCall | null> {
  const { aside } = world;
  if (session.model !== null || !aside.chance(FIRST_AT_ONCE_SHARE)) return null;
  const given = aside.chance(0.5) ? withoutContext(request) : { messages: [newMessage(aside, world.habits)] };
  const call = await begin(world, `append ${session.label}`, session.space, (by) =>
    world.system.appendMessages(by, session.ref.session, given),
  );
  await goOn(world, call, aside.between(1, 2));
  if (aside.chance(0.3)) {
    // For about as long as a grant is valid.
    world.passTime(aside.between(3_000, 9_000));
    await goOn(world, call);
  }
  return call;
}

function appended(call: ClientCall): string {
  const { ended } = call;
  if (ended?.kind !== "answer") return describeEnd(ended);
  const { messages } = ended.answer as { messages: { seq: number }[] };
  return `seqs ${messages.map(({ seq }) => seq).join(", ")}`;
}

/** Two concurrent requests, sometimes twice the same one, as from an impatient client. */
export async function appendTwiceAtOnce(world: World): Promise<string> {
  const session = pickSession(world);
  if (session.model?.status !== "active" || world.hasLimits(session.ref.tenant)) return "nothing to append to";
  const first = withoutContext(requestOf(world, session));
  const second = world.random.chance(0.7) ? first : withoutContext(requestOf(world, session));
  for (const request of [first, second]) leaveBranchBy(session, request);
  const one = appendTo(session.model, first, null, world.now());
  const two = appendTo(one.after, second, null, world.now());
  const outcomes = await session.object.call("append", (instance) =>
    Promise.all([instance.append(first, null), instance.append(second, null)]).catch((error: unknown) => {
      throw new Violation(2, `one of two concurrent appends failed: ${String(error)}`);
    }),
  );
  for (const [index, { answer }] of [one, two].entries()) {
    const outcome = outcomes[index];
    const { headSeq = 0, messages } = outcome?.ok === true ? outcome.value : {};
    const given = outcome?.ok === true ? { ok: true, messages, headSeq } : { ok: false, code: outcome?.fault.code };
    if (JSON.stringify(given) === JSON.stringify(answer)) continue;
    const [told, due] = [given, answer].map((each) => JSON.stringify(each));
    throw new Violation(2, `one of two concurrent appends answered ${told}, not ${due}`);
  }
  become(world, session, two.after, [], "");
  return `${session.label}: at once [${namesOf(first.messages)}] and [${namesOf(second.messages)}]`;
}

function withoutContext(request: AppendRequest): AppendRequest {
  const bare = { ...request };
  delete bare.context;
  return bare;
}

/** A retry of what was acknowledged long ago. */
export async function appendAgain(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const edited = logOf(session).filter(({ isEdited }) => isEdited);
  const known = random.chance(0.5) ? (random.pick(edited) ?? random.pick(logOf(session))) : random.pick(logOf(session));
  if (known === undefined) return "nothing to append again";
  const request = sendAppend(world, { messages: [known.sent] });
  const call = await ask(world, `append again ${session.label}`, session.space, (by) =>
    world.system.appendMessages(by, session.ref.session, request),
  );
  return `${session.label}: ${namesOf(request.messages)} again → ${appended(call)}`;
}

// Edit and erase

function pickId(world: World, log: readonly ModelMessage[]): string {
  return world.random.chance(0.03) ? "no-such-message" : (world.random.pick(log)?.id ?? "none");
}

export async function editMessage(world: World): Promise<string> {
  const given = pickGiven(world);
  if (given !== undefined) return editOne(world, given.session, given.message.id);
  const session = pickChanged(world);
  const log = logOf(session);
  const [first] = log;
  const last = log.at(-1);
  // A copy that is made meanwhile has one of them as it was, and the other as it is.
  if (first !== undefined && last !== undefined && isCopied(world, session) && world.random.chance(0.7)) {
    return `${await editOne(world, session, first.id)}; ${await editOne(world, session, last.id)}`;
  }
  // An answer that was started as a placeholder is usually filled in.
  const begun = world.random.chance(0.6) ? log.filter(({ content }) => content === "") : [];
  const edited = await editOne(world, session, pickId(world, begun.length > 0 ? begun : log));
  return `${edited}${await restoreAside(world, session, RESTORE_AFTER_CHANGE_SHARE)}`;
}

export async function eraseMessage(world: World): Promise<string> {
  const { random } = world;
  const given = pickGiven(world);
  const session = given?.session ?? pickChanged(world);
  const log = logOf(session);
  // A repeated request learns the current state.
  const erased = random.chance(0.35) ? log.filter(({ content }) => content === null) : [];
  const id = given?.message.id ?? pickId(world, erased.length > 0 ? erased : log);
  const old = log.find((message) => message.id === id);
  const call = await ask(world, `erase ${session.label}`, session.space, (by) =>
    world.system.eraseMessage(by, session.ref.session, id),
  );
  const state = call.ended?.kind === "answer" ? call.ended.answer.state : describeEnd(call.ended);
  await ringAtOnce(world, session);
  const [secret] = secretsOf([old?.content]);
  const looked = secret !== undefined && random.chance(0.4) ? `; ${await lookFor(world, session, secret)}` : "";
  return `${session.label}: ${id} → ${state}${looked}${await restoreAside(world, session, RESTORE_AFTER_CHANGE_SHARE)}`;
}

export async function eraseSession(world: World): Promise<string> {
  const session = pickErased(world);
  const call = await ask(world, `erase all of ${session.label}`, session.space, (by) =>
    world.system.eraseSession(by, session.ref.session),
  );
  return `${session.label} → ${describeEnd(call.ended)}`;
}

/** Erases a session, and lets that finish, so that its id is free. */
export async function makeRoom(world: World, session: SimulatedSession): Promise<string> {
  const call = await ask(world, `erase all of ${session.label}`, session.space, (by) =>
    world.system.eraseSession(by, session.ref.session),
  );
  await workOff(world, [session]);
  return `erase ${session.label} → ${describeEnd(call.ended)}`;
}

/** A session to erase, often one that is just being filled. */
function pickErased(world: World): SimulatedSession {
  const filled = world.sessions.filter(({ model }) => model?.status === "copying");
  return (world.random.chance(0.3) ? world.random.pick(filled) : undefined) ?? pickSession(world);
}

// Settings and summaries by hand

export async function createSession(world: World): Promise<string> {
  const { random } = world;
  const absent = world.sessions.filter(({ model }) => model === null);
  const session = (random.chance(0.8) ? random.pick(absent) : undefined) ?? pickSession(world);
  const input = {
    id: session.ref.session,
    ...(random.chance(0.8) ? { settings: session.creationSettings } : {}),
    ...(random.chance(0.3) ? { metadata: { topic: words(random, 1) } } : {}),
  };
  const call = await ask(world, `create ${session.label}`, session.space, (by) =>
    world.system.createSession(by, input),
  );
  return `${session.label} → ${describeEnd(call.ended)}`;
}

export async function update(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const patch: SessionPatch = random.chance(0.5)
    ? { metadata: { topic: words(random, 1), weight: random.below(9) } }
    : { settings: randomSettings(random) };
  const call = await ask(world, `update ${session.label}`, session.space, (by) =>
    world.system.updateSession(by, session.ref.session, patch),
  );
  return `${session.label}: ${JSON.stringify(patch)} → ${describeEnd(call.ended)}`;
}

/** Goes back to another branch, or to any message. */
export async function switchBranch(world: World): Promise<string> {
  return switchOne(world, pickSession(world));
}

export async function switchOne(world: World, session: SimulatedSession): Promise<string> {
  const { random } = world;
  const lastSeq = logOf(session).length;
  const headSeq = random.chance(0.3) ? Math.max(1, lastSeq) : random.between(1, lastSeq + 1);
  const call = await ask(world, `switch ${session.label}`, session.space, (by) =>
    world.system.switchBranch(by, session.ref.session, { headSeq }),
  );
  return `${session.label} to ${headSeq} → ${describeEnd(call.ended)}`;
}

export async function summarizeByHand(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const request = {
    ...(random.chance(0.7) ? { keepRecentTokens: random.of(0, 20, 100) } : {}),
    ...(random.chance(0.4) ? { fromScratch: true } : {}),
    ...(random.chance(0.3) ? { waitMs: random.of(1_000, 10_000) } : {}),
  };
  const call = await ask(world, `summarize ${session.label}`, session.space, (by) =>
    world.system.summarizeByHand(by, session.ref.session, request),
  );
  const restored = await restoreAside(world, session);
  const bounded = await boundAside(world, session);
  return `${session.label}: ${JSON.stringify(request)} → ${describeEnd(call.ended)}${restored}${bounded}`;
}

/** Restores an earlier version of the summary, or one that does not exist, at the end of another step, whose own effect is unchanged. */
export async function restoreAside(world: World, session: SimulatedSession, share = RESTORE_SHARE): Promise<string> {
  const { aside } = world;
  if (!aside.chance(share)) return "";
  const newest = newestVersionIn(session.object)?.version ?? 0;
  const version = Math.max(1, newest - aside.of(0, 1, 1, 2, 3));
  const request = aside.chance(0.3) ? { expectedVersion: Math.max(1, newest - aside.of(0, 0, 1)) } : {};
  const call = await ask(world, `restore ${session.label}`, session.space, (by) =>
    world.system.restoreSummary(by, session.ref.session, version, request),
  );
  return `; version ${version} back → ${describeEnd(call.ended)}`;
}

/** An operator requests a new summary of the whole log. */
export async function rebuild(world: World): Promise<string> {
  return rebuildOne(world, pickSession(world));
}

export async function rebuildOne(world: World, session: SimulatedSession): Promise<string> {
  const call = await ask(world, `rebuild ${session.label}`, session.space, (by) =>
    by.parts.sessions.get(session.ref).maintain("rebuild", false),
  );
  return `${session.label} → ${describeEnd(call.ended)}`;
}

// Reading

/** A question about something that is or was said, or about nothing in particular. */
function questionOf(random: Random, session: SimulatedSession): string {
  const said = secretsOf(random.pick(logOf(session))?.content);
  const retired = random.pick(session.retired)?.secret;
  const secret = random.chance(0.3) ? (retired ?? random.pick(said)) : random.pick(said);
  return random.chance(0.7) && secret !== undefined ? secret : words(random, random.between(1, 4));
}

function contextRequest(random: Random, session: SimulatedSession): ContextRequest {
  const head = logOf(session).length;
  const format: ContextFormat = random.of(...FORMATS);
  const query = random.of("auto", questionOf(random, session), null);
  return {
    ...(random.chance(0.8) ? { maxTokens: random.of(...BUDGETS) } : {}),
    ...(random.chance(0.5) ? { format } : {}),
    ...(random.chance(0.5) ? { query } : {}),
    ...(head > 0 && random.chance(0.3) ? { atSeq: random.between(1, head + 2) } : {}),
  };
}

export async function read(world: World): Promise<string> {
  const session = pickSession(world);
  const { random, system } = world;
  const { session: id } = session.ref;
  const request = contextRequest(random, session);
  const at = random.between(0, logOf(session).length + 1);
  const limit = random.between(1, 20);
  const query = random.chance(0.5) && at > 0 ? { beforeSeq: at, limit } : { afterSeq: at, limit };
  const call = await ask(world, `read ${session.label}`, session.space, async (by) => {
    await system.readSession(by, id);
    await system.listMessages(by, id, query);
    await system.readContextJson(by, id, request);
    // As of a message, what was said later does not count.
    await system.listSessions(by, { limit: 2 });
  });
  const restored = await restoreAside(world, session);
  return `${session.label}: context ${JSON.stringify(request)} → ${describeEnd(call.ended)}${restored}`;
}

export async function search(world: World): Promise<string> {
  const session = pickSession(world);
  const query = questionOf(world.random, session);
  const told = await lookFor(world, session, query);
  await checkFoundByMeaning(world, session, query);
  return told;
}

async function lookFor(world: World, session: SimulatedSession, query: string): Promise<string> {
  const { random } = world;
  const request = { query, ...(random.chance(0.3) ? { limit: random.between(1, 100) } : {}) };
  const call = await ask(world, `search ${session.label}`, session.space, (by) =>
    world.system.searchSessionJson(by, session.ref.session, request),
  );
  return `${session.label}: search for ${JSON.stringify(query)} → ${describeEnd(call.ended)}`;
}

// Requests that take long

export async function proceedCall(world: World): Promise<string> {
  const { random } = world;
  const call = random.pick(world.calls);
  if (call === undefined) return "no request is open";
  const faultAt = random.chance(0.12) ? 0 : Number.POSITIVE_INFINITY;
  const done = await goOn(world, call, random.between(1, 3), faultAt);
  return `${call.name}: ${done.join(" → ")} → ${describeEnd(call.ended)}`;
}

export async function dropCall(world: World): Promise<string> {
  const call = world.random.pick(world.calls);
  if (call === undefined) return "no request is open";
  drop(world, call);
  return call.name;
}
