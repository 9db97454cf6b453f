import { z } from "zod";

/**
 * Finds in a schema every place for a text, a name, any JSON or a moment, and puts a value of the caller's there. One test uses it; it is
 * apart because it knows schemas, and nothing of what the service stores.
 */

/** A value that a schema accepts, and the same with something else in one place. */
export interface Place {
  /** Where it is, as a path through the schema. */
  readonly path: string;
  readonly sound: unknown;
  readonly planted: unknown;
}

interface Shape {
  readonly sound: unknown;
  readonly places: readonly Place[];
}

/** What is put into the places. */
export interface Planted {
  /** Appended to an accepted text. */
  readonly texts: readonly string[];
  readonly times: readonly string[];
}

/** PostgreSQL refuses the first text in text and jsonb, and UTF-8 cannot represent the others. It has no year 0, and does not read years of six digits. */
export const UNSTORABLE: Planted = {
  texts: ["\u0000", "\ud800", "\udc00 "],
  times: [
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-10:00",
    "9999-12-31T23:59:59.999-00:01",
  ],
};

/** Any text of ours is accepted as one of these. */
const TEXTS = [
  "sample",
  "2026-11-22T09:30:00Z",
  "AbCdEfGhIjKl",
  "key:AbCdEfGhIjKl",
  "1",
  "data-note",
  "acme",
  "threadkeep-session",
  "web_search_tool_result",
];

/** All places of a schema. A value contains what is required, and of everything else only the place in question. */
export function placesOf(schema: z.core.$ZodType, name: string, planted: Planted): readonly Place[] {
  return shapeOf(schema, name, planted).places;
}

function shapeOf(schema: z.core.$ZodType, path: string, given: Planted): Shape {
  if (!(schema instanceof z.ZodType)) throw new Error(`${path} is no schema of zod's own`);
  const def = schema.def as z.core.$ZodTypes["_zod"]["def"];
  switch (def.type) {
    case "object":
      return objectShape(def, path, given);
    case "array": {
      const inner = shapeOf(def.element, `${path}[]`, given);
      return {
        sound: [inner.sound],
        places: inner.places.map((place) => ({ ...place, sound: [place.sound], planted: [place.planted] })),
      };
    }
    case "tuple": {
      const inner = def.items.map((item, at) => shapeOf(item, `${path}[${at}]`, given));
      const sounds = inner.map(({ sound }) => sound);
      return {
        sound: sounds,
        places: inner.flatMap(({ places }, at) =>
          places.map((place) => ({
            ...place,
            sound: sounds.with(at, place.sound),
            planted: sounds.with(at, place.planted),
          })),
        ),
      };
    }
    case "union": {
      const options = def.options.map((option, at) => shapeOf(option, `${path}|${at}`, given));
      return { sound: options[0]?.sound, places: options.flatMap(({ places }) => places) };
    }
    case "record":
      return recordShape(def, path, given);
    case "optional":
    case "nullable":
    case "default":
    case "prefault":
    case "readonly":
    case "catch":
      return shapeOf(def.innerType, path, given);
    case "pipe":
      // The input of a preprocessor (z.preprocess) is that of the check behind it.
      return shapeOf(def.in instanceof z.ZodTransform ? def.out : def.in, path, given);
    case "lazy":
      return shapeOf(def.getter(), path, given);
    case "string":
    case "template_literal":
      return textShape(schema, path, given);
    case "custom": {
      const sound = { name: "text", list: [1, { deep: "text" }] };
      const planted = given.texts.flatMap((text) => [
        text,
        [text],
        { name: `a${text}` },
        { [`a${text}`]: 1 },
        { list: [1, { deep: { [text]: null } }] },
      ]);
      return { sound, places: planted.map((value) => ({ path, sound, planted: value })) };
    }
    case "literal":
      return { sound: def.values[0], places: [] };
    case "enum":
      return { sound: Object.values(def.entries)[0], places: [] };
    case "number":
      return { sound: soundNumber(schema), places: [] };
    case "boolean":
      return { sound: true, places: [] };
    case "null":
      return { sound: null, places: [] };
    case "undefined":
    case "never":
      return { sound: undefined, places: [] };
    default:
      throw new Error(`${path} is a ${def.type}: say here what of it is text`);
  }
}

function objectShape(def: z.core.$ZodObjectDef, path: string, given: Planted): Shape {
  const entries = Object.entries(def.shape).map(([key, child]) => ({
    key,
    child,
    shape: shapeOf(child, `${path}.${key}`, given),
  }));
  const required = entries.filter(({ child }) => !z.safeParse(child, undefined).success);
  const sound = Object.fromEntries(required.map(({ key, shape }) => [key, shape.sound]));
  const places = entries.flatMap(({ key, shape }) =>
    shape.places.map((place) => ({
      ...place,
      sound: { ...sound, [key]: place.sound },
      planted: { ...sound, [key]: place.planted },
    })),
  );
  return { sound, places };
}

function recordShape(def: z.core.$ZodRecordDef, path: string, given: Planted): Shape {
  const value = shapeOf(def.valueType, `${path}{}`, given);
  const names = shapeOf(def.keyType, `${path}{name}`, given);
  const key = String(names.sound);
  const asKeys = names.places.map((place) => ({
    ...place,
    sound: { [String(place.sound)]: value.sound },
    planted: { [String(place.planted)]: value.sound },
  }));
  const asValues = value.places.map((place) => ({
    ...place,
    sound: { [key]: place.sound },
    planted: { [key]: place.planted },
  }));
  return { sound: { [key]: value.sound }, places: [...asKeys, ...asValues] };
}

function textShape(schema: z.core.$ZodType, path: string, given: Planted): Shape {
  const sound = TEXTS.find((text) => z.safeParse(schema, text).success);
  if (sound === undefined) throw new Error(`${path} takes none of the texts that are tried: add one that it takes`);
  const places = given.texts
    .flatMap((text) => [`${sound}${text}`, `${text}${sound}`])
    .map((text) => ({ path, sound, planted: text }));
  const times = isTime(schema) ? given.times.map((text) => ({ path, sound, planted: text })) : [];
  return { sound, places: [...places, ...times] };
}

/** A moment is recognized by what it accepts and refuses. */
function isTime(schema: z.core.$ZodType): boolean {
  const takes = (text: string): boolean => z.safeParse(schema, text).success;
  return takes("2026-11-22T09:30:00Z") && !takes("sample");
}

function soundNumber(schema: z.core.$ZodType): number | undefined {
  return [1, 2, 100, 300, 4_000].find((number) => z.safeParse(schema, number).success);
}
