import type { AppendRequest } from "../../../src/contracts/append.ts";
import type { Context, ContextFormat } from "../../../src/contracts/context.ts";
import type { Outcome } from "../../../src/contracts/errors.ts";
import type { NewMessage } from "../../../src/contracts/message.ts";
import type { SessionSettings } from "../../../src/contracts/session.ts";
import { callFault } from "./calls.ts";
import { editedContent, newMessage, secretsOf, secretWord, toolExchange, words } from "./chat-content.ts";
import { checkContext } from "./check-context.ts";
import { logDifference, noteRevision, value } from "./check-session.ts";
import { appendTo, edit, eraseAll, eraseOne, type Expected, type ModelMessage, type Transition } from "./model.ts";
import type { Random } from "./random.ts";
import { sessionOf } from "./rows.ts";
import type { Birth, SessionInstance } from "./system.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What clients do. Each step compares the answer with the model's, and says in a line what it did. */

const FAULT_SHARE = 0.08;
/** Past this a session gets no new messages: long chats find nothing that short ones do not, and cost time. */
const MAX_MESSAGES = 90;

export function randomSettings(random: Random): SessionSettings {
  return {
    maxTokens: random.of(256, 400, 1_000, 4_000),
    summarizeAfterTokens: random.of(100, 150, 250, 400, 1_500),
    keepRecentTokens: random.of(0, 0, 30, 90),
    summaryMaxTokens: random.of(100, 200, 600),
  };
}

export function pickSession(world: World): SimulatedSession {
  const session = world.random.pick(world.sessions);
  if (session === undefined) throw new Violation(0, "there is no session");
  return session;
}

/**
 * Carries out a change and holds the session to it. A call that failed may have been done or not, never half; one that was lost, or whose
 * answer was, leaves no doubt.
 */
async function change<Answer, Given>(
  world: World,
  session: SimulatedSession,
  transition: Transition<Answer>,
  call: (instance: SessionInstance) => Promise<Given>,
  check: (given: Given, expected: Answer) => void,
): Promise<string> {
  const { random } = world;
  const before = session.model;
  const incarnation = sessionOf(session.object)?.incarnation ?? "";
  const fault = random.chance(FAULT_SHARE) ? callFault(random) : null;
  let told = "";
  let isDone = true;
  try {
    check(await session.object.call(call, fault), transition.answer);
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null) throw new Violation(4, `a call failed without a fault: ${String(error)}`);
    told =
      fault.kind === "disk" ? `, and the disk fails after ${fault.statements} statements` : `, and it is ${fault.kind}`;
    isDone = fault.kind === "answerLost" || (fault.kind === "disk" && (await wasDone(session, transition)));
    await noteRevision(session);
    if (random.chance(0.3)) session.object.evict();
  }
  const after = isDone ? transition.after : before;
  session.model = after;
  if (!isDone) return `${told}: nothing is done`;
  // The same text may have been appended twice, and stand in another message rightly.
  const left = new Set(secretsOf(after?.log.map(({ content, metadata }) => [content, metadata])));
  session.retired.push(
    ...transition.retired.filter(({ secret }) => !left.has(secret)).map((entry) => ({ ...entry, incarnation })),
  );
  if (before !== null && after === null) {
    session.erasedLives.add(incarnation);
    session.pastIds.push(...before.log.map(({ id }) => id));
  }
  return told === "" ? "" : `${told}: it is done`;
}

async function wasDone(session: SimulatedSession, { after }: Transition<unknown>): Promise<boolean> {
  const outcome = await (await session.object.instance()).messages({ limit: 100_000 });
  const fromBefore = logDifference(outcome, session.model);
  const fromAfter = logDifference(outcome, after);
  if (fromBefore !== null && fromAfter !== null) {
    throw new Violation(2, `a call that failed was done by half: ${fromBefore}; ${fromAfter}`);
  }
  return fromBefore !== null;
}

function codeOf(outcome: Outcome<unknown>): string {
  return outcome.ok ? "ok" : outcome.fault.code;
}

function expectCode(given: Outcome<unknown>, expected: string, what: string): void {
  if (codeOf(given) !== expected) throw new Violation(2, `${what} answered ${codeOf(given)}, not ${expected}`);
}

// Append

function repeatable(session: SimulatedSession): readonly ModelMessage[] {
  return session.model?.log ?? [];
}

function requestOf(world: World, session: SimulatedSession): AppendRequest {
  const { random } = world;
  const log = repeatable(session);
  const isFull = log.length >= MAX_MESSAGES;
  const messages: NewMessage[] = [];
  const count = random.of(1, 1, 1, 2, 3, 5);
  for (let made = 0; made < count; made += 1) {
    const known = random.pick(log);
    if (known !== undefined && (isFull || random.chance(0.15))) {
      // A retry, seldom with other content.
      const other = random.chance(0.1) ? { content: `${words(random, 3)} ${secretWord(random)}` } : {};
      if (!messages.some(({ id }) => id === known.id)) messages.push({ ...known.sent, ...other });
    } else if (!isFull) {
      for (const message of random.chance(0.15) ? toolExchange(random) : [newMessage(random)]) {
        const id = random.chance(0.1) ? random.pick(session.pastIds.filter(isClientId)) : undefined;
        const isFree = id !== undefined && ![...log, ...messages].some((other) => other.id === id);
        messages.push(
          random.chance(0.7) ? { ...message, id: isFree ? id : `m-${random.seed().toString(36)}` } : message,
        );
      }
    }
  }
  if (messages.length === 0) messages.push(newMessage(random));
  return { messages, ...expectationOf(random, log.length) };
}

function isClientId(id: string): boolean {
  return !id.startsWith("seq-");
}

function expectationOf(random: Random, headSeq: number): { expectedHeadSeq?: number } {
  if (!random.chance(0.15)) return {};
  return { expectedHeadSeq: random.chance(0.7) ? headSeq : random.below(headSeq + 3) };
}

/** As the service does it: the directory knows a session before its first append is answered. */
function birthOf(world: World, session: SimulatedSession): Birth | null {
  if (session.model !== null) return null;
  if (world.random.chance(0.05)) return null;
  session.registeredAt ??= world.now();
  return { ref: session.ref, createdAt: session.registeredAt, settings: session.birthSettings };
}

function expectAppended(given: Outcome<{ messages: unknown; headSeq: number }>, expected: Expected): void {
  if (!expected.ok) {
    expectCode(given, expected.code, "an append");
    return;
  }
  if (!given.ok) throw new Violation(2, `an append answered ${given.fault.code}: ${given.fault.detail}`);
  if (given.value.headSeq !== expected.headSeq) {
    throw new Violation(1, `an append answered headSeq ${given.value.headSeq}, not ${expected.headSeq}`);
  }
  if (JSON.stringify(given.value.messages) !== JSON.stringify(expected.messages)) {
    throw new Violation(
      2,
      `an append answered ${JSON.stringify(given.value.messages)}, not ${JSON.stringify(expected.messages)}`,
    );
  }
}

function namesOf(messages: readonly NewMessage[]): string {
  return messages.map(({ id, role }) => `${role} ${id ?? "(no id)"}`).join(", ");
}

export async function append(world: World): Promise<string> {
  const session = pickSession(world);
  const birth = birthOf(world, session);
  const request = requestOf(world, session);
  const transition = appendTo(session.model, request, birth);
  const told = await change(world, session, transition, (instance) => instance.append(request, birth), expectAppended);
  const expectation = request.expectedHeadSeq === undefined ? "" : `, expecting head ${request.expectedHeadSeq}`;
  const answer = transition.answer.ok
    ? `seqs ${transition.answer.messages.map(({ seq }) => seq).join(", ")}`
    : transition.answer.code;
  return `${session.ref.session}: ${namesOf(request.messages)}${expectation} → ${answer}${told}`;
}

/** Two requests at once, at times the same one twice, as of a client that is impatient. */
export async function appendTwiceAtOnce(world: World): Promise<string> {
  const session = pickSession(world);
  const birth = birthOf(world, session);
  const first = requestOf(world, session);
  const second = world.random.chance(0.7) ? first : requestOf(world, session);
  const one = appendTo(session.model, first, birth);
  const two = appendTo(one.after, second, birth);
  const outcomes = await session.object.call((instance) =>
    Promise.all([instance.append(first, birth), instance.append(second, birth)]).catch((error: unknown) => {
      throw new Violation(2, `of two appends at once one failed: ${String(error)}`);
    }),
  );
  session.model = two.after;
  expectAppended(outcomes[0], one.answer);
  expectAppended(outcomes[1], two.answer);
  return `${session.ref.session}: at once [${namesOf(first.messages)}] and [${namesOf(second.messages)}]`;
}

/** A retry of what was acknowledged long ago. */
export async function appendAgain(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const edited = repeatable(session).filter(({ isEdited }) => isEdited);
  const known = random.chance(0.5)
    ? (random.pick(edited) ?? random.pick(repeatable(session)))
    : random.pick(repeatable(session));
  if (known === undefined) return "nothing to append again";
  const request: AppendRequest = { messages: [known.sent] };
  const transition = appendTo(session.model, request, null);
  const told = await change(world, session, transition, (instance) => instance.append(request, null), expectAppended);
  return `${session.ref.session}: ${namesOf(request.messages)} again${told}`;
}

// Edit and erase

function pickId(world: World, session: SimulatedSession): string {
  return world.random.chance(0.03) ? "no-such-message" : (world.random.pick(repeatable(session))?.id ?? "none");
}

/** What was made of a message that changes is made again, from the last version before it. */
function forgetPaid(session: SimulatedSession): void {
  session.paid.clear();
}

export async function editMessage(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const id = pickId(world, session);
  const old = session.model?.log.find((message) => message.id === id)?.content ?? "";
  const patch = random.chance(0.15)
    ? { metadata: { mark: secretWord(random) } }
    : { content: editedContent(random, old) };
  const transition = edit(session.model, id, patch);
  forgetPaid(session);
  const told = await change(
    world,
    session,
    transition,
    (instance) => instance.editMessage(id, patch),
    (given, expected) => expectCode(given, expected, "an edit"),
  );
  return `${session.ref.session}: ${id}, ${Object.keys(patch).join()} → ${transition.answer}${told}`;
}

export async function eraseMessage(world: World): Promise<string> {
  const session = pickSession(world);
  const id = pickId(world, session);
  const transition = eraseOne(session.model, id);
  forgetPaid(session);
  const old = session.model?.log.find((message) => message.id === id);
  const life = sessionOf(session.object)?.incarnation;
  const told = await change(
    world,
    session,
    transition,
    (instance) => instance.eraseMessage(id),
    (given, expected) => {
      expectCode(given, expected, "an erasure");
      if (!given.ok || given.value.state !== "erased" || old === undefined || world.isRestored) return;
      const archived = JSON.stringify(world.archive.copy);
      const secrets = [
        ...secretsOf([old.content, old.metadata]),
        ...session.retired
          .filter(({ seq, incarnation }) => seq === old.seq && incarnation === life)
          .map(({ secret }) => secret),
      ];
      // Another message may say the same.
      const left = new Set(secretsOf(transition.after?.log.map(({ content, metadata }) => [content, metadata])));
      if (secrets.some((secret) => !left.has(secret) && archived.includes(secret))) {
        throw new Violation(9, `seq ${old.seq} is told to be erased everywhere, and the archive still says it`);
      }
    },
  );
  return `${session.ref.session}: ${id} → ${transition.answer}${told}`;
}

export async function eraseSession(world: World): Promise<string> {
  const session = pickSession(world);
  const transition = eraseAll(session.model);
  const told = await change(
    world,
    session,
    transition,
    (instance) => instance.erase(),
    (given, expected) => expectCode(given, expected, "an erasure of a session"),
  );
  // A Worker that dies here leaves the directory's entry, with the date of the old life.
  const isForgotten = session.model === null && world.random.chance(0.8);
  if (isForgotten) session.registeredAt = null;
  return `${session.ref.session} → ${transition.answer}${told}${isForgotten ? "" : "; the directory keeps its entry"}`;
}

// Settings and summaries by hand

export async function update(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const patch = random.chance(0.5)
    ? { metadata: { topic: words(random, 1), weight: random.below(9) } }
    : { settings: randomSettings(random) };
  const before = session.model;
  const after = before === null ? null : { ...before, ...patch };
  const told = await change(
    world,
    session,
    { after, answer: before === null ? "session_not_found" : "ok", retired: [] },
    (instance) => instance.update(patch),
    (given, expected) => expectCode(given, expected, "an update"),
  );
  // Whether it was done shows in the state alone.
  if (session.model !== null) {
    const state = value(await (await session.object.instance()).state(), "state");
    const isDone = JSON.stringify(state.metadata) === JSON.stringify(after?.metadata);
    if (told === "" && !isDone) throw new Violation(3, "the session has other metadata than those it acknowledged");
    session.model = isDone ? after : before;
  }
  return `${session.ref.session}: ${JSON.stringify(patch)}${told}`;
}

export async function summarizeByHand(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const request = {
    ...(random.chance(0.7) ? { keepRecentTokens: random.of(0, 20, 100) } : {}),
    ...(random.chance(0.25) ? { fromScratch: true } : {}),
  };
  // Whoever asks for a range anew pays for it again.
  if (request.fromScratch === true) session.paid.clear();
  const told = await change(
    world,
    session,
    { after: session.model, answer: session.model === null ? "session_not_found" : "ok", retired: [] },
    (instance) => instance.summarize(request),
    (given, expected) => expectCode(given, expected, "a summary by hand"),
  );
  return `${session.ref.session}: ${JSON.stringify(request)}${told}`;
}

// Reading

export async function read(world: World): Promise<string> {
  const session = pickSession(world);
  const { random } = world;
  const instance = await session.object.instance();
  const { model } = session;
  const head = model?.log.length ?? 0;
  if (model === null) {
    expectCode(await instance.state(), "session_not_found", "the state");
    return `${session.ref.session}: not found`;
  }
  const state = value(await instance.state(), "state");
  if (state.headSeq !== head) throw new Violation(1, `the state's headSeq is ${state.headSeq}, not ${head}`);
  await readPage(instance, session, random);
  const request = {
    ...(random.chance(0.8) ? { maxTokens: random.of(256, 300, 500, 1_000, 3_000, 20_000) } : {}),
    ...(head > 0 && random.chance(0.4) ? { atSeq: random.between(1, head + 2) } : {}),
  };
  checkContext(value(await instance.context(request), "context"), model, request);
  const format: ContextFormat = random.of("openai-chat", "ai-sdk", "text");
  const rendered: unknown = value<unknown>(await instance.context({ ...request, format }), format);
  checkMeta(rendered, format);
  return `${session.ref.session}: context ${JSON.stringify({ ...request, format })}`;
}

function checkMeta(rendered: unknown, format: string): void {
  const meta = typeof rendered === "object" && rendered !== null && "meta" in rendered ? rendered.meta : null;
  const tokens =
    typeof meta === "object" && meta !== null && "tokens" in meta ? (meta.tokens as Context["tokens"]) : null;
  if (tokens === null) throw new Violation(5, `the format ${format} carries no proof`);
  if (tokens.used > tokens.budget)
    throw new Violation(6, `in ${format} the context takes ${tokens.used} of ${tokens.budget}`);
}

async function readPage(instance: SessionInstance, session: SimulatedSession, random: Random): Promise<void> {
  const log = session.model?.log ?? [];
  const at = random.between(0, log.length + 1);
  const limit = random.between(1, 20);
  const isBackward = random.chance(0.5) && at > 0;
  const query = isBackward ? { beforeSeq: at, limit } : { afterSeq: at, limit };
  const page = value(await instance.messages(query), "messages");
  const there = log.filter(({ seq }) => (isBackward ? seq < at : seq > at));
  const expected = isBackward ? there.slice(-limit) : there.slice(0, limit);
  const seqs = page.data.map(({ seq }) => seq).join();
  if (seqs !== expected.map(({ seq }) => seq).join() || page.hasMore !== there.length > expected.length) {
    throw new Violation(1, `the page ${JSON.stringify(query)} holds ${seqs}, hasMore ${page.hasMore}`);
  }
}
