import type { Content } from "../src/api/message.ts";
import { canonicalJson, type Json } from "../src/api/text.ts";
import type { Random } from "./random.ts";
import type { System } from "./system-types.ts";
import { Violation } from "./violation.ts";

/** Content with what no store keeps, as clients send it: it comes in mended, and the answer tells where. */

/** What stands in its place. */
export const MARK = "\ufffd";
const UNSTORABLE = ["\u0000", "\ud83d", "\udc00"] as const;
/** Of marks, those that are what they stand for when they are sent. */
const SENT_SHARE = 0.7;

interface Sent {
  readonly value: unknown;
  /** JSON Pointers to the texts that have to be mended. */
  readonly places: readonly string[];
}

/** Content as a client might have sent it: at some marks stands what they are put in the place of. */
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

/** Takes in what was sent, as every surface does. What comes of it has to be what is due, and told where it is not what was sent. */
export function takeIn<T>(
  system: System,
  schema: Parameters<System["parseBody"]>[0],
  sent: unknown,
  { due, places }: { readonly due: T; readonly places: readonly string[] },
): T {
  if (places.length === 0) return due;
  const taken = system.parseBody(schema, sent);
  const [given, expected] = [taken, due].map((value) => canonicalJson(value as Json));
  if (given !== expected) throw new Violation(13, `what no store keeps comes in as ${given}, not as ${expected}`);
  const told = system.mendedPaths(sent, false);
  if (told.join() !== places.join()) {
    throw new Violation(13, `it is told that ${told.join(", ")} is mended, and it is ${places.join(", ")}`);
  }
  return due;
}
