// Bodies: values of the schema or of the example, changed, and then written as valid or broken JSON.
import { gzipSync } from "node:zlib";
import type { Dice } from "./dice.ts";
import type { Operation } from "./document.ts";
import {
  hostileName,
  hostileText,
  hostileValue,
  MARKER,
  RawJson,
  type Schemas,
  valueOf,
  writeJson,
} from "./hostile-value.ts";

export interface HostileBody {
  readonly bytes: Uint8Array;
  readonly headers: readonly (readonly [string, string])[];
  readonly cutOff?: "length" | "chunks";
  readonly isChunked?: boolean;
}

const TYPES = [
  "text/plain",
  "application/xml",
  "application/json; charset=utf-16",
  "multipart/form-data",
  "a",
  "*/*",
  "",
];
const SCALARS = ["null", "1", '"x"', "[]", "{}", "NaN", "", "undefined", "{,}", '{"a":1}//', "'a'", "1e400", "-"];
const ONE_MIB = 1024 * 1024;
/** Past 8 MiB the service stops reading and closes the connection, and a client that still writes never sees why. */
const MAX_TEXT = 2 * ONE_MIB;

/** Undefined, most of the time, for an operation that takes no body. */
export function hostileBody(operation: Operation, schemas: Schemas, dice: Dice): HostileBody | undefined {
  const [type, media] = Object.entries(operation.requestBody?.content ?? {})[0] ?? [];
  if (type === undefined || media === undefined) {
    return dice.chance(0.1) ? bodyOf(JSON.stringify({ a: MARKER }), "application/json", dice) : undefined;
  }
  if (dice.chance(0.05)) return undefined;
  const isLines = type.endsWith("ndjson");
  const base = media.example !== undefined && dice.chance(0.5) ? media.example : valueOf(media.schema, schemas, dice);
  let value = withoutWaiting(base);
  for (let twists = dice.pick([0, 1, 1, 1, 2, 3]); twists > 0; twists -= 1) value = twist(value, dice);
  const text = writeJson(value);
  return bodyOf(isLines ? linesOf(text, dice) : text, type, dice);
}

/** A request that waits for a summary shows nothing more than one that does not wait. */
function withoutWaiting(value: unknown): unknown {
  if (typeof value !== "object" || value === null || !("waitMs" in value)) return value;
  return { ...value, waitMs: 0 };
}

export function twist(value: unknown, dice: Dice): unknown {
  if (value instanceof RawJson) return value;
  if (typeof value !== "object" || value === null || dice.chance(0.1)) return hostileValue(dice);
  const entries = Object.entries(value);
  if (entries.length === 0 || dice.chance(0.15)) {
    const added = [dice.chance(0.5) ? hostileName(dice) : "extra", hostileValue(dice)] as const;
    return Array.isArray(value) ? [...value, added[1]] : Object.fromEntries([...entries, added]);
  }
  const at = dice.below(entries.length);
  const twisted = entries.flatMap(([name, member], index): [string, unknown][] => {
    if (index !== at) return [[name, member]];
    if (dice.chance(0.12)) return [];
    if (dice.chance(0.3)) return [[name, typeof member === "string" ? hostileText(dice) : hostileValue(dice)]];
    return [[name, twist(member, dice)]];
  });
  return Array.isArray(value) ? twisted.map(([, member]) => member) : Object.fromEntries(twisted);
}

function linesOf(line: string, dice: Dice): string {
  const end = '{"type":"end","messages":0,"summaries":0,"items":0,"complete":true}\n';
  return dice.pick([
    `${line}\n`,
    `${line}\n${end}`,
    line + line,
    `\n\n${line}\n`,
    `${line}\n`.repeat(50),
    `${end}${line}\n`,
  ]);
}

function bodyOf(whole: string, type: string, dice: Dice): HostileBody {
  const headers: [string, string][] = [["Content-Type", type]];
  const text = whole.slice(0, MAX_TEXT);
  const bytes = Buffer.from(text);
  switch (dice.below(24)) {
    case 0:
      return { bytes, headers: [["Content-Type", dice.pick(TYPES)]] };
    case 1:
      return { bytes, headers: [] };
    case 2:
      return { bytes: gzipSync(bytes), headers: [...headers, ["Content-Encoding", dice.pick(["gzip", "br", "GZIP"])]] };
    case 3:
      return { bytes, headers, isChunked: true };
    case 4:
      return { bytes, headers, cutOff: dice.pick(["length", "chunks"]) };
    case 5:
      return { bytes: Buffer.concat([bytes, Buffer.from([0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80])]), headers };
    case 6:
      return { bytes: bytes.subarray(0, dice.below(bytes.byteLength + 1)), headers };
    case 7:
      return { bytes: Buffer.from(dice.pick(SCALARS)), headers };
    case 8:
      return { bytes: Buffer.from(`\ufeff${text}`), headers };
    case 9:
      return { bytes: Buffer.from(text, "utf16le"), headers };
    case 10:
      return dice.chance(0.2) ? hugeBody(headers, dice) : { bytes, headers };
    default:
      return { bytes, headers };
  }
}

/** A body of 1 MiB, or a little more or less. */
function hugeBody(headers: readonly (readonly [string, string])[], dice: Dice): HostileBody {
  const length = ONE_MIB + dice.pick([-1_000, -1, 0, 1, ONE_MIB]);
  const pad = dice.pick([" ", "[", '{"a":', "9", '"'.repeat(2)]);
  return { bytes: Buffer.from(pad.repeat(Math.ceil(length / pad.length)).slice(0, length)), headers };
}
