import type { AppendRequest } from "../../../src/contracts/append.ts";
import type { Context, ContextFormat } from "../../../src/contracts/context.ts";
import type { Outcome } from "../../../src/contracts/errors.ts";
import type { NewMessage } from "../../../src/contracts/message.ts";
import { become } from "./become.ts";
import { change, expectCode } from "./change.ts";
import { editedContent, newMessage, secretsOf, secretWord, toolExchange, words } from "./chat-content.ts";
import { checkContext } from "./check-context.ts";
import { value } from "./check-log.ts";
import { ringAtOnce } from "./machine-steps.ts";
import { appendTo, edit, eraseAll, eraseOne, type Expected, type ModelMessage, refusalOf } from "./model.ts";
import { isCopied, pickChanged, pickSession } from "./pick-session.ts";
import { randomSettings } from "./random-settings.ts";
import type { Random } from "./random.ts";
import { sessionOf } from "./rows.ts";
import { versionsOf } from "./simulated-archive.ts";
import type { Birth, SessionInstance } from "./system.ts";
import { tenantAsSeen } from "./tenant.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What clients do. Each step compares the answer with the model's, and says in a line what it did. */

/** Past this a session gets no new messages: long chats find nothing that short ones do not, and cost time. */
const MAX_MESSAGES = 90;

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
  return { ref: session.ref, createdAt: world.directory.register(session), settings: session.birthSettings };
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
  const tenant = tenantAsSeen(world);
  const transition = appendTo(session.model, request, birth, world.now());
  const call = (instance: SessionInstance) => instance.append(request, birth, tenant);
  const told = await change(world, session, transition, call, expectAppended);
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
  const one = appendTo(session.model, first, birth, world.now());
  const two = appendTo(one.after, second, birth, world.now());
  const outcomes = await session.object.call((instance) =>
    Promise.all([instance.append(first, birth), instance.append(second, birth)]).catch((error: unknown) => {
      throw new Violation(2, `of two appends at once one failed: ${String(error)}`);
    }),
  );
  expectAppended(outcomes[0], one.answer);
  expectAppended(outcomes[1], two.answer);
  become(world, session, two.after, [], "");
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
  const transition = appendTo(session.model, request, null, world.now());
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
  const session = pickChanged(world);
  const log = repeatable(session);
  const [first] = log;
  const last = log.at(-1);
  // Whoever copies meanwhile has one of them as it was, and the other as it is.
  if (first !== undefined && last !== undefined && isCopied(world, session) && world.random.chance(0.7)) {
    return `${await editOne(world, session, first.id)}; ${await editOne(world, session, last.id)}`;
  }
  return editOne(world, session, pickId(world, session));
}

async function editOne(world: World, session: SimulatedSession, id: string): Promise<string> {
  const { random } = world;
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
  const session = pickChanged(world);
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
      const archived = JSON.stringify(versionsOf(world.archive.copy, life ?? ""));
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
  await ringAtOnce(world, session);
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
  if (isForgotten) world.directory.remove(session);
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
  const refusal = refusalOf(before);
  const after = before === null || refusal !== null ? before : { ...before, ...patch };
  const tenant = tenantAsSeen(world);
  const told = await change(
    world,
    session,
    { after, answer: refusal ?? "ok", retired: [] },
    (instance) => instance.update(patch, tenant),
    (given, expected) => expectCode(given, expected, "an update"),
  );
  // Whether it was done shows in the session's row alone.
  const row = sessionOf(session.object);
  if (before !== null && after !== null && row !== null && refusal === null) {
    const isDone = row.metadata === JSON.stringify(after.metadata) && row.settings === JSON.stringify(after.settings);
    if (told === "" && !isDone) throw new Violation(3, "the session has not what an update acknowledged");
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
    { after: session.model, answer: refusalOf(session.model) ?? "ok", retired: [] },
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
  const tenant = tenantAsSeen(world);
  const refusal = refusalOf(model);
  if (model === null || refusal !== null) {
    expectCode(await instance.state(tenant), model?.status === "copying" ? "ok" : (refusal ?? "ok"), "the state");
    expectCode(await instance.context({}, tenant), refusal ?? "ok", "a context");
    return `${session.ref.session}: ${refusal}`;
  }
  const state = value(await instance.state(tenant), "state");
  if (state.headSeq !== head) throw new Violation(1, `the state's headSeq is ${state.headSeq}, not ${head}`);
  await readPage(instance, session, random);
  const request = {
    ...(random.chance(0.8) ? { maxTokens: random.of(256, 300, 500, 1_000, 3_000, 20_000) } : {}),
    ...(head > 0 && random.chance(0.4) ? { atSeq: random.between(1, head + 2) } : {}),
  };
  checkContext(value(await instance.context(request, tenant), "context"), model, request);
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
