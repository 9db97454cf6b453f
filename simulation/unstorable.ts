import type { Content } from "../src/api/message.ts";
import { canonicalJson, type Json } from "../src/api/text.ts";
import type { Random } from "./random.ts";
import type { System } from "./system-types.ts";
import { Violation } from "./violation.ts";

/** Content with characters that no store keeps, as clients send it: it is stored repaired, and the answer says where. */

/** The replacement character. */
export const MARK = "\ufffd";
const UNSTORABLE = ["\u0000", "\ud83d", "\udc00"] as const;
/** Placeholders in texts, and what is sent in their place. */
const SENT_SHARE = 0.7;

interface Sent {
  readonly value: unknown;
  /** JSON Pointers to the texts that have to be repaired. */
  readonly places: readonly string[];
}

/** Content as a client might send it: at some placeholders is what they stand for. */
export function asSent(random: Random, content: Content, pointer: string): Sent {
  const places: string[] = [];
  const send = (value: unknown, at: string): unknown => {
    if (typeof value === "string") {
      if (!value.includes(MARK)) return value;
      const sent = value.replaceAll(MARK, (mark) => (random.chance(SENT_SHARE) ? random.of(...UNSTORABLE) : mark));
      if (sent !== value) places.push(at);
      return sent;
    }
    if (Array.isArray(value)) return value.map((entry, index) => send(entry, `${at}/${index}`));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, send(entry, `${at}/${name}`)]));
  };
  return { value: send(content, pointer), places };
}

/** Sends content as through every surface. The result has to be the expected one, and the answer has to name each difference. */
export function takeIn<T>(
  system: System,
  schema: Parameters<System["parseBody"]>[0],
  sent: unknown,
  { due, places }: { readonly due: T; readonly places: readonly string[] },
): T {
  if (places.length === 0) return due;
  const taken = system.parseBody(schema, sent);
  const [given, expected] = [taken, due].map((value) => canonicalJson(value as Json));
  if (given !== expected)
    throw new Violation(13, `characters that no store keeps are stored as ${given}, not as ${expected}`);
  const told = system.mendedPaths(sent, false);
  if (told.join() !== places.join()) {
    throw new Violation(13, `the answer says that ${told.join(", ")} was repaired, but it is ${places.join(", ")}`);
  }
  return due;
}
