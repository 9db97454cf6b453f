import type { MessagePatch } from "../src/api/message.ts";
import { editedContent, enriched, secretWord } from "./chat-content.ts";
import { describeEnd } from "./client-call.ts";
import { ask } from "./clients.ts";
import type { ModelMessage } from "./model.ts";
import { logOf } from "./pick-session.ts";
import type { Random } from "./random.ts";
import { lastGivenSeq } from "./rows.ts";
import { asSent, takeIn } from "./unstorable.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Changes of messages that a model is working on: its answer is based on the old text. */

interface Given {
  readonly session: SimulatedSession;
  /** The last message that a model was given. */
  readonly message: ModelMessage;
}

/** If a model is at work, which is rare, usually a message that it was given, often the last one, which a wrong count may miss. */
export function pickGiven(world: World): Given | undefined {
  return world.random.chance(0.6) ? anyGiven(world) : undefined;
}

function anyGiven(world: World): Given | undefined {
  const given = world.sessions.flatMap((session): Given[] => {
    const message = logOf(session)[(lastGivenSeq(session.object) ?? 0) - 1];
    return message === undefined || message.content === null ? [] : [{ session, message }];
  });
  return world.random.pick(given);
}

/** Changes the last message that a model was given; null if no model is at work. */
export async function changeGiven(world: World): Promise<string | null> {
  const given = anyGiven(world);
  if (given === undefined) return null;
  const { session, message } = given;
  if (world.random.chance(0.4)) return `edit ${await editOne(world, session, message.id)}`;
  const call = await ask(world, `erase ${session.label}`, session.space, (by) =>
    world.system.eraseMessage(by, session.ref.session, message.id),
  );
  return `erase ${session.label}: ${message.id} → ${describeEnd(call.ended)}`;
}

/** An edit sometimes keeps an earlier file, or adds one; it may also pin or unpin, sometimes nothing else. */
function enrichedPatch(random: Random, plain: MessagePatch, known: ModelMessage | undefined): MessagePatch {
  const isPinned = known?.isPinned === true;
  const pin = random.chance(isPinned ? 0.5 : 0.15) ? { pinned: random.chance(0.85) ? !isPinned : isPinned } : {};
  if (pin.pinned !== undefined && random.chance(0.5)) return pin;
  if (plain.content === undefined) return { ...plain, ...pin };
  const files = typeof known?.content === "object" ? (known.content?.filter(({ type }) => type === "file") ?? []) : [];
  const kept = random.chance(0.5) ? files : [];
  const content = enriched(random, plain.content, known?.role !== "tool");
  const parts = typeof content === "string" ? [{ type: "text" as const, text: content }] : content;
  return { ...pin, content: kept.length === 0 || content === "" ? content : [...parts, ...kept] };
}

function sendPatch({ aside, system }: World, patch: MessagePatch): MessagePatch {
  if (patch.content === undefined) return patch;
  const { value: content, places } = asSent(aside, patch.content, "/content");
  return takeIn(system, system.messagePatchSchema, { ...patch, content }, { due: patch, places });
}

/** Another text for a message, or another pin state. */
export async function editOne(world: World, session: SimulatedSession, id: string): Promise<string> {
  const { random } = world;
  const known = logOf(session).find((message) => message.id === id);
  const old = known?.content ?? "";
  const plain = random.chance(0.15)
    ? { metadata: { mark: secretWord(random) } }
    : { content: editedContent(random, old, world.habits) };
  const patch = sendPatch(world, enrichedPatch(world.aside, plain, known));
  const call = await ask(world, `edit ${session.label}`, session.space, (by) =>
    world.system.editMessage(by, session.ref.session, id, patch),
  );
  const what = Object.entries(patch).map(([name, value]) => `${name} of ${JSON.stringify(value).length}`);
  return `${session.label}: ${id}, ${what.join()} → ${describeEnd(call.ended)}`;
}
