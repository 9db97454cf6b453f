/**
 * Converts Zod's issues to faults that a client can act on. Each has a path, and a text that never repeats the data.
 */

import type { z } from "zod";
import { type FieldFault, ThreadkeepError } from "./errors.ts";
import { MAX_MENDED_PATHS, MAX_REPORTED_FAULTS } from "./limits.ts";
import { findMended } from "./text.ts";

/** Characters of a path. Property names in it come from the client and can be of any length. */
const MAX_PATH_LENGTH = 256;

type Issue = z.core.$ZodIssue;
type UnionIssue = z.core.$ZodIssueInvalidUnion;
type Path = readonly PropertyKey[];

/** The parts of one request before validation. A fault's path begins with the name of the part. */
export interface RawRequest {
  readonly params: unknown;
  readonly query: unknown;
  readonly headers: unknown;
  readonly body: unknown;
}

/**
 * Validates a request.
 * The list of faults is complete only up to a few entries past the first fault of a list: reporting an invalid entry
 * costs many times as much as accepting a valid one, and thousands of them would take seconds.
 * @throws {ThreadkeepError} `validation_failed`, with the faults
 */
export function parseRequest<T extends z.ZodType>(schema: T, raw: RawRequest): z.output<T> {
  return parseOrRefuse(schema, raw, (issues) => fieldFaults(issues, raw));
}

/** Like `parseRequest`, for a body without parameters. */
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
  // A body with thousands of unknown names has enough faults already. A second pass would cost as much again.
  if (told.length >= MAX_REPORTED_FAULTS) throw validationFailed(told);
  const all = schema.safeParse(shortened(raw, first[0]?.path ?? []), { error: wordIssue }).error?.issues ?? [];
  throw validationFailed(all.length > 0 ? faultsOf(all) : told);
}

/** Validates one value. Returns the value or its first fault; the caller knows its name. */
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
 * The paths where content of an accepted request is stored differently from what was sent, because no store can keep
 * it.
 * @param isStrict throw `validation_failed` instead
 */
export function mendedPaths(body: unknown, isStrict: boolean): string[] {
  const mended = mendedFaults(body);
  if (isStrict && mended.length > 0) throw validationFailed(mended.slice(0, MAX_REPORTED_FAULTS));
  return mended.map(({ path }) => path);
}

/** Like `mendedPaths`, with what was wrong at each path. */
export function mendedFaults(body: unknown): FieldFault[] {
  return findMended(body, MAX_MENDED_PATHS).map(({ path, detail }) => fault(["body", ...path], detail));
}

/** The field `mended` of an answer; no field if nothing was mended. */
export function tellMended(paths: readonly string[]): { mended?: string[] } {
  return paths.length === 0 ? {} : { mended: [...paths] };
}

/** With `abortEarly`, Zod stops at the first invalid entry of a list. */
const UP_TO_THE_FIRST = { error: wordIssue, abortEarly: true };

/**
 * Levels of nesting that `shortened` descends. No list in a schema is deeper, and recursion into a value with thousands
 * of levels would overflow the stack.
 */
const MAX_SHORTENED_DEPTH = 32;

/**
 * The value with each list cut a few entries after the one that `path` leads to. The value at the end of the path is
 * returned whole, because its length may be the fault.
 */
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
    detail: `${where} ${first?.detail ?? "is not valid"}.${more} Nothing was changed; correct the request and send it again.`,
    errors: faults,
  });
}

/**
 * Converts every issue to one or more faults.
 * @param input the value that was validated: the value that a union refused decides which of its variants is explained
 * @internal A test words faults of schemas that no request has alone.
 */
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
 * For a union, Zod reports only that no variant matched, with the issues of each. The intended variant is the one for
 * the value's kind (string, array, object) and, among objects, the one whose `type` matches: its issues become the
 * faults.
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

/**
 * Whether the value of `type` itself is wrong. A `custom` issue is not: it says that the type was recognized but
 * contains characters that cannot be stored.
 */
function isAboutType(issue: Issue): boolean {
  return issue.code !== "custom" && issue.path.length === 1 && issue.path[0] === "type";
}

function expectedKind(issue: Issue): string {
  return issue.code === "invalid_type" ? kindName(issue.expected) : "something else";
}

/** The values of `type` that a variant accepts: literals, or a pattern with a fixed prefix such as `data-…`. */
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

/** The place as a JSON Pointer (RFC 6901) into the body, or the name of a parameter. */
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

/** The text of an issue for which no schema has a text of its own. */
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
