/** Zod's issues as faults that a client can act on: a path for each, and words that never repeat the data. */

import type { z } from "zod";
import { type FieldFault, ThreadkeepError } from "./errors.ts";
import { MAX_MENDED_PATHS, MAX_REPORTED_FAULTS } from "./limits.ts";
import { findMended } from "./text.ts";

/** A path names properties that the client made up. */
const MAX_PATH_LENGTH = 256;

type Issue = z.core.$ZodIssue;
type UnionIssue = z.core.$ZodIssueInvalidUnion;
type Path = readonly PropertyKey[];

/** What one request brings, as it is parsed: each part under its own name, so that a path begins with where it comes from. */
export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
}

/**
 * The request as its schema has it, or `validation_failed` with its faults. Lists are looked through no further than a few entries past
 * the first fault: each costs many times what a good entry does, and thousands of them would cost seconds.
 */
export function parseRequest<T extends z.ZodType>(schema: T, raw: RawRequest): z.output<T> {
  return parseOrRefuse(schema, raw, (issues) => fieldFaults(issues, raw));
}

/** The same of a body that comes alone. */
export function parseBody<T extends z.ZodType>(schema: T, body: unknown): z.output<T> {
  return parseOrRefuse(schema, body, (issues) => bodyFaults(issues, body));
}

function parseOrRefuse<T extends z.ZodType>(
  schema: T,
  raw: unknown,
  faultsOf: (issues: readonly Issue[]) => FieldFault[],
): z.output<T> {
  const parsed = schema.safeParse(raw, UP_TO_THE_FIRST);
  if (parsed.success) return parsed.data;
  const first = parsed.error.issues;
  const told = faultsOf(first);
  // Of thousands of names that nobody knows enough is told already, and to look at them again would cost as much again.
  if (told.length >= MAX_REPORTED_FAULTS) throw validationFailed(told);
  const all = schema.safeParse(shortened(raw, first[0]?.path ?? []), { error: wordIssue }).error?.issues ?? [];
  throw validationFailed(all.length > 0 ? faultsOf(all) : told);
}

/** The same of one value by itself, which its caller names: the value, or its first fault. */
export function parseValue<T extends z.ZodType>(
  schema: T,
  value: unknown,
): { readonly data: z.output<T> } | { readonly fault: FieldFault } {
  const parsed = schema.safeParse(value, UP_TO_THE_FIRST);
  if (parsed.success) return { data: parsed.data };
  return { fault: bodyFaults(parsed.error.issues, value)[0] ?? fault([], "is not valid") };
}

function bodyFaults(issues: readonly Issue[], body: unknown): FieldFault[] {
  return fieldFaults(
    issues.map((issue) => ({ ...issue, path: ["body", ...issue.path] })),
    { body },
  );
}

/**
 * Where content of a request that was taken is not kept as it was sent, as paths.
 * @param isStrict refuses the request for it
 */
export function mendedPaths(body: unknown, isStrict: boolean): string[] {
  const mended = mendedFaults(body);
  if (isStrict && mended.length > 0) throw validationFailed(mended.slice(0, MAX_REPORTED_FAULTS));
  return mended.map(({ path }) => path);
}

/** The same, with what was wrong in each place. */
export function mendedFaults(body: unknown): FieldFault[] {
  return findMended(body, MAX_MENDED_PATHS).map(({ path, detail }) => fault(["body", ...path], detail));
}

/** For an answer: nothing, where nothing was mended. */
export function tellMended(paths: readonly string[]): { mended?: string[] } {
  return paths.length === 0 ? {} : { mended: [...paths] };
}

/** zod goes no further than the first entry of a list that is refused. */
const UP_TO_THE_FIRST = { error: wordIssue, abortEarly: true };

/** No list that a schema names is deeper; what nests by the thousand would overflow the stack. */
const MAX_SHORTENED_DEPTH = 32;

/** The value with its lists cut a little behind where the path leads. What the path ends at is as it was: that may be too long. */
function shortened(value: unknown, path: readonly PropertyKey[] | null, depth = 0): unknown {
  if (path?.length === 0 || typeof value !== "object" || value === null || depth > MAX_SHORTENED_DEPTH) return value;
  const [key, ...rest] = path ?? [];
  const next = (name: PropertyKey): readonly PropertyKey[] | null => (name === key ? rest : null);
  if (!Array.isArray(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, entry]) => [name, shortened(entry, next(name), depth + 1)]),
    );
  }
  const last = typeof key === "number" ? key : 0;
  return value.slice(0, last + MAX_REPORTED_FAULTS).map((entry, index) => shortened(entry, next(index), depth + 1));
}

/** `validation_failed` for one parameter of the query. */
export function parameterFault(name: string, detail: string): ThreadkeepError {
  return validationFailed([fault(["query", name], detail)]);
}

function validationFailed(faults: readonly FieldFault[]): ThreadkeepError {
  const first = faults[0];
  const where = first === undefined || first.path === "" ? "The body" : first.path;
  const count = faults.length < MAX_REPORTED_FAULTS ? faults.length : "many";
  const more = faults.length > 1 ? ` It is the first of ${count} faults: see errors.` : "";
  return new ThreadkeepError({
    code: "validation_failed",
    detail: `${where} ${first?.detail ?? "is not valid"}.${more} Nothing was changed; mend the request and send it again.`,
    errors: faults,
  });
}

/** Every issue as one or more faults. `input` is what was parsed: a union is explained by the value that it refused. */
export function fieldFaults(issues: readonly Issue[], input: unknown): FieldFault[] {
  return issues.flatMap((issue) => flatten(issue, [], input));
}

function flatten(issue: Issue, base: Path, input: unknown): FieldFault[] {
  const path = [...base, ...issue.path];
  switch (issue.code) {
    case "unrecognized_keys": {
      const noun = path[0] === "body" ? "property" : "parameter";
      return issue.keys.slice(0, MAX_REPORTED_FAULTS).map((key) => fault([...path, key], `is not a known ${noun}`));
    }
    case "invalid_union":
      return explainUnion(issue, path, input);
    case "invalid_key":
      return [fault(path, `is not an allowed name: it ${issue.issues[0]?.message ?? "is not valid"}`)];
    default:
      return [fault(path, issue.message)];
  }
}

/**
 * A union says only that no branch matched, with the issues of each. The branch that was meant is the one for the value's kind
 * (a string, an array, an object) and, of objects, the one whose `type` matches: its issues are the faults.
 */
function explainUnion(issue: UnionIssue, path: Path, input: unknown): FieldFault[] {
  const branches = issue.errors;
  if (branches.length === 0) return [fault(path, issue.message)];
  const ofKind = branches.filter((branch) => !branch.some(isWrongKind));
  if (ofKind.length === 0) {
    const kinds = branches.flatMap((branch) => branch.filter(isWrongKind)).map(expectedKind);
    return [fault(path, wordKind([...new Set(kinds)].join(" or "), valueAt(input, path)))];
  }
  const ofType = ofKind.filter((branch) => !branch.some(isAboutType));
  const meant = (ofType.length > 0 ? ofType : ofKind).toSorted((a, b) => a.length - b.length)[0];
  if (ofType.length > 0 || ofKind.length === 1 || meant === undefined) {
    return (meant ?? []).flatMap((inner) => flatten(inner, path, input));
  }
  const types = ofKind.flatMap((branch) => branch.filter(isAboutType)).flatMap(expectedTypes);
  return [fault([...path, "type"], `must be one of ${types.join(", ")}`)];
}

function isWrongKind(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code === "invalid_type";
}

/** Of a type that was meant, and holds what cannot be stored, a check says so. */
function isAboutType(issue: Issue): boolean {
  return issue.code !== "custom" && issue.path.length === 1 && issue.path[0] === "type";
}

function expectedKind(issue: Issue): string {
  return issue.code === "invalid_type" ? kindName(issue.expected) : "something else";
}

/** The values of `type` that a branch takes: literals, or a pattern with a fixed beginning such as `data-…`. */
function expectedTypes(issue: Issue): string[] {
  if (issue.code === "invalid_value") return issue.values.map((value) => JSON.stringify(value));
  if (issue.code === "invalid_union" && issue.inclusive !== false)
    return (issue.options ?? []).map((value) => JSON.stringify(value));
  if (issue.code !== "invalid_format") return [];
  const beginning = /^\^([A-Za-z0-9_-]+)/.exec(issue.pattern ?? "")?.[1];
  return beginning === undefined ? [] : [`"${beginning}…"`];
}

function fault(path: Path, detail: string): FieldFault {
  return { path: pathText(path), detail };
}

/** A JSON Pointer (RFC 6901) into the body, or the name of a parameter. */
function pathText(path: Path): string {
  const [place, ...rest] = path.map(String);
  const text =
    place === "body"
      ? rest.map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("")
      : rest.join(".");
  const wellFormed = text.toWellFormed();
  return wellFormed.length <= MAX_PATH_LENGTH ? wellFormed : `${wellFormed.slice(0, MAX_PATH_LENGTH)}…`;
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/** Words for the issues that no schema words itself. */
function wordIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return wordKind(kindName(issue.expected), issue.input);
    case "invalid_value":
      if (issue.input === undefined) return "is required";
      return issue.values.length === 1
        ? `must be ${JSON.stringify(issue.values[0])}`
        : `must be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "too_small":
      return wordBound("at least", issue.origin, Number(issue.minimum), issue.input);
    case "too_big":
      return wordBound("at most", issue.origin, Number(issue.maximum), issue.input);
    default:
      return undefined;
  }
}

function wordBound(bound: string, origin: string, limit: number, input: unknown): string {
  if (origin === "array") {
    const count = Array.isArray(input) ? `, not ${input.length}` : "";
    return `must have ${bound} ${limit} ${limit === 1 ? "entry" : "entries"}${count}`;
  }
  if (origin === "string") return `must have ${bound} ${limit} ${limit === 1 ? "character" : "characters"}`;
  return `must be ${bound} ${limit}`;
}

function wordKind(expected: string, input: unknown): string {
  return input === undefined ? "is required" : `must be ${expected}, not ${kindOf(input)}`;
}

const KIND_NAMES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
  null: "null",
};

function kindName(kind: string): string {
  return KIND_NAMES[kind] ?? `a ${kind}`;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number" && !Number.isInteger(value)) return "a fraction";
  return kindName(typeof value);
}
