import type { Dice } from "./dice.ts";
// Values that no schema expects, and values of a given schema. Both depend on the dice alone.
import type { JsonSchema } from "./document.ts";

export type Schemas = Readonly<Record<string, JsonSchema>>;

/** A text inside hostile values that a refusal must not repeat. It contains a blank, so it is never a valid id. */
export const MARKER = "planted marker 7f3a91";

const COMPONENTS = "#/components/schemas/";
const MAX_DEPTH = 6;
/** Deeper than a parser that calls itself for each level can survive. */
const DEEP_LEVELS = [50, 1_000, 20_000];

const TEXTS = [
  "",
  " ",
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udfff\ud800",
  "\ufeff",
  "\u202eabc",
  "e\u0301".repeat(50),
  "👩‍👩‍👧".repeat(20),
  "'; DROP TABLE messages; --",
  '" OR ""="',
  "%s%n%x",
  "${7*7}{{7*7}}",
  "<script>alert(1)</script>",
  "../../etc/passwd",
  "-",
  ".",
  "..",
  "null",
  "true",
  "0x10",
  "1e3",
  "NaN",
  "\r\nSet-Cookie: a=b",
  'MATCH "',
  "NEAR(a b) AND * ^",
  "2026-13-45T99:99:99Z",
  "+999999-01-01T00:00:00Z",
];

const NUMBERS = [0, -0, -1, 0.5, 1e21, 1e308, -1e308, 2 ** 31, 2 ** 53, -(2 ** 53), 2 ** 63, Number.MIN_VALUE];

const NAMES = ["__proto__", "constructor", "prototype", "toString", "toJSON", "then", "", "a/b~c", "\u0000", "$ref"];

/** Mostly short, because with a long text in each request the loopback would be measured. */
const LENGTHS = [1, 63, 64, 127, 128, 129, 255, 256, 257, 1_024, 4_097, 20_000, 100_000];

export function hostileText(dice: Dice): string {
  if (dice.chance(0.25)) return `${MARKER} ${dice.below(1e6)}`;
  if (dice.chance(0.3)) return dice.pick(["a", "é", "\n", "𝄞", "-", "\\"]).repeat(dice.pick(LENGTHS));
  return dice.pick(TEXTS);
}

export function hostileName(dice: Dice): string {
  return dice.pick(NAMES);
}

export function hostileValue(dice: Dice): unknown {
  switch (dice.below(9)) {
    case 0:
      return null;
    case 1:
      return dice.chance(0.5);
    case 2:
      return dice.pick(NUMBERS);
    case 3:
      return nested(dice.pick(DEEP_LEVELS), dice.chance(0.5));
    case 4:
      return Array.from({ length: dice.pick([0, 1, 101, 5_000]) }, () => 1);
    case 5:
      return Object.fromEntries(NAMES.map((name) => [name, { polluted: MARKER }]));
    case 6:
      return {};
    default:
      return hostileText(dice);
  }
}

/** Written as text if it is too deep to be built level by level: see `writeJson`. */
export class RawJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function nested(levels: number, isArray: boolean): RawJson {
  return new RawJson(
    isArray ? "[".repeat(levels) + "]".repeat(levels) : '{"a":'.repeat(levels) + "1" + "}".repeat(levels),
  );
}

/** Writes JSON with raw pieces in it, and with own properties of any name. */
export function writeJson(value: unknown): string {
  if (value instanceof RawJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).map(([name, member]) => `${JSON.stringify(name)}:${writeJson(member)}`);
  return `{${members.join(",")}}`;
}

/** A value of this schema, often exactly at its bounds or one beyond them. */
export function valueOf(schema: JsonSchema, schemas: Schemas, dice: Dice, depth = 0): unknown {
  if (depth > MAX_DEPTH || dice.chance(0.05)) return hostileValue(dice);
  const named = schema.$ref === undefined ? schema : schemas[schema.$ref.replace(COMPONENTS, "")];
  if (named !== schema && named !== undefined) return valueOf(named, schemas, dice, depth);
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return valueOf(dice.pick(choices), schemas, dice, depth + 1);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum !== undefined) return dice.pick(schema.enum);
  switch (typeof schema.type === "string" ? schema.type : schema.type?.[0]) {
    case "object":
      return objectOf(schema, schemas, dice, depth);
    case "array": {
      const length = dice.pick([schema.minItems ?? 0, 1, 2, Math.min((schema.maxItems ?? 3) + 1, 200)]);
      return Array.from({ length }, () => valueOf(schema.items ?? {}, schemas, dice, depth + 1));
    }
    case "integer":
    case "number":
      return numberOf(schema, dice);
    case "boolean":
      return dice.chance(0.5);
    case "null":
      return null;
    case "string":
      return textOf(schema, dice);
    default:
      return hostileValue(dice);
  }
}

function objectOf(schema: JsonSchema, schemas: Schemas, dice: Dice, depth: number): Record<string, unknown> {
  const members = Object.entries(schema.properties ?? {})
    .filter(([name]) => dice.chance(schema.required?.includes(name) === true ? 0.97 : 0.4))
    .map(([name, member]): [string, unknown] => [name, valueOf(member, schemas, dice, depth + 1)]);
  if (dice.chance(0.05)) members.push([hostileName(dice), hostileValue(dice)]);
  return Object.fromEntries(members);
}

function numberOf({ minimum = 0, maximum = 1_000 }: JsonSchema, dice: Dice): number {
  return dice.pick([minimum, maximum, minimum - 1, maximum + 1, minimum + 0.5, Math.min(minimum + 1, maximum)]);
}

function textOf({ minLength = 0, maxLength = 40, format }: JsonSchema, dice: Dice): string {
  if (format === "date-time" && dice.chance(0.7)) return "2026-11-22T09:30:00.000Z";
  if (dice.chance(0.3)) return hostileText(dice);
  const length = dice.pick([
    minLength,
    Math.max(minLength, 8),
    Math.min(maxLength, 2_000),
    Math.min(maxLength + 1, 20_000),
  ]);
  return "w".repeat(length);
}
