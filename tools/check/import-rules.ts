import path from "node:path";
import { parseSync } from "rolldown/utils";

interface Room {
  /** Rooms and files that it may import (`session/client`; `*` stands for any part of a name). It may always import its own files. */
  rooms: string[];
  /** Rooms and files of which it may import types only. */
  types?: string[];
  /** Packages that it may import; null allows every package. */
  packages: string[] | null;
}

/** Rooms that are pure, or are given what they need. All rooms of `src` that do work may import them. */
const FOUNDATION = ["api", "lib", "prompt", "tokens", "telemetry"];
/** Other rooms reach the objects of a user, of a tenant and of operations only through their clients. */
const CLIENTS = ["directory/*client", "tenant/*client", "control/*client"];

/** Which room may import which. Everybody may import types of `api`. */
const ROOMS: Record<string, Room> = {
  api: { rooms: [], packages: ["zod"] },
  // Code that belongs to no room. Each of its files has three or more callers; a file with fewer lives with its caller.
  lib: { rooms: ["api"], types: ["telemetry/log"], packages: ["node:crypto"] },
  tokens: { rooms: ["api"], packages: ["node:buffer", "node:zlib"] },
  prompt: { rooms: ["api", "tokens"], packages: ["node:buffer", "node:zlib"] },
  telemetry: { rooms: ["api", "lib"], packages: null },
  // The object's class, its unit of work and its client. A frame on a socket passes the same checks of scopes, rates and users' words as a
  // request. The object itself asks for a lease of its tenant's quota, asks whether a key is still valid, and reports late work.
  session: {
    rooms: [
      ...FOUNDATION,
      "config",
      "access/pace",
      "access/rate-limit",
      "access/scopes",
      "access/users-words",
      ...CLIENTS,
    ],
    packages: null,
  },
  // The object of owners calls the object of operations through a binding, and the binding's type names its class.
  directory: { rooms: [...FOUNDATION, "control/*client"], types: ["control/operations"], packages: null },
  tenant: { rooms: FOUNDATION, packages: null },
  control: { rooms: FOUNDATION, packages: null },
  archive: { rooms: FOUNDATION, packages: null },
  // What every call of a model's provider shares.
  provider: { rooms: FOUNDATION, packages: ["ai"] },
  summarizer: { rooms: [...FOUNDATION, "provider"], packages: null },
  embedder: { rooms: [...FOUNDATION, "provider"], packages: null },
  access: { rooms: [...FOUNDATION, ...CLIENTS], packages: null },
  pipeline: {
    rooms: [
      ...FOUNDATION,
      "archive",
      "provider/provider-error",
      "summarizer/client",
      "embedder/client",
      "session/client",
      ...CLIENTS,
    ],
    packages: null,
  },
  usecases: {
    rooms: [...FOUNDATION, "access", "archive", "embedder/client", "session/client", ...CLIENTS],
    packages: null,
  },
  http: { rooms: ["api", "telemetry", "usecases"], packages: null },
  // A model reads its answers as they are, so they are fenced and cut here, as a context is in its object.
  mcp: { rooms: [...FOUNDATION, "usecases"], packages: null },
  rpc: { rooms: ["api", "telemetry", "usecases"], packages: null },
  maintenance: { rooms: ["api", "lib", "telemetry", "usecases", "pipeline", "archive", "config"], packages: null },
  config: { rooms: ["api"], packages: null },
};

/**
 * The slices of `session`, and what each may import in addition to FOUNDATION and the indexes of other slices. Code outside of a slice
 * imports only its index.
 */
const SLICES: Record<string, string[]> = {
  sqlite: [],
  // A user may not edit what the assistant said.
  log: ["access/users-words"],
  summary: [],
  // It reports late work.
  outbox: ["control/late-work-client"],
  erase: [],
  copies: [],
  archive: [],
  // Frames pass the checks of requests, and a socket closes when its key is revoked.
  live: ["access/*", "tenant/key-check-client", "tenant/key-client"],
  search: [],
  // It uses leases of a tenant's quota, and what a user used in a day over all sessions.
  quota: ["tenant/taken-client", "directory/user-day-client"],
  verify: [],
};
const SLICE = /^session\/([^/]+)\/([^/]+)$/;

/** Files that only one other file may import. Others of the same room may import their types. An index is resolved to the files behind it. */
const PRIVATE_FILES: Record<string, string> = {
  "session/store": "session/transactions",
  "session/log/message-eraser": "session/store",
  "session/log/message-reader": "session/store",
  "session/log/message-totals": "session/store",
  "session/log/message-writer": "session/store",
  "session/log/running-erasure": "session/store",
  "session/summary/summary-store": "session/store",
  "session/outbox/job-store": "session/store",
  "session/search/vector-store": "session/store",
};

/** What the client's adapters may import. Each package is an optional peer dependency, and a type leaves no trace in a bundle. */
const ADAPTERS: Record<string, { packages: readonly string[]; isTypeOnly: boolean }> = {
  "client/src/ai-sdk/": { packages: ["ai"], isTypeOnly: true },
  "client/src/langchain/": { packages: ["@langchain/core"], isTypeOnly: false },
  "client/src/langgraph/": { packages: ["@langchain/core", "@langchain/langgraph-checkpoint"], isTypeOnly: false },
  "client/src/opentelemetry/": { packages: ["@opentelemetry/api"], isTypeOnly: false },
  "client/src/openai-agents/": { packages: ["@openai/agents-core"], isTypeOnly: true },
};

/** The packages of the inspector. Its first view has a size limit, so each package is here for a reason. */
const INSPECTOR_PACKAGES = ["preact", "@preact/signals", "marked", "uplot", "swagger-ui-dist"];
/** The only file of the inspector that runs in Node. */
const INSPECTOR_BUILD = "inspector/vite.config.ts";

const ENTRY = "worker";
/** It builds the parts that the entry needs, from every room. */
const ASSEMBLY = "assembly";

interface Import {
  specifier: string;
  isType: boolean;
  offset: number;
  /** The imported names. If empty, the import takes everything or nothing. */
  names: ImportedName[];
}

interface ImportedName {
  name: string;
  isType: boolean;
}

/** Which file a name of an index comes from: `src/session/log/index.ts` → `appendMessages` → `src/session/log/append.ts`. */
type Indexes = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Checks the import rules. `sources` maps paths from the root of the repository, with `/`, to the files' texts. Only files under src/,
 * client/src/, scripts/, tools/, simulation/ and inspector/ have rules. Returns one line for each violation: `file:line: what is wrong`.
 */
export function findImportViolations(sources: Map<string, string>): string[] {
  const violations: string[] = [];
  const read = new Map(
    [...sources]
      .filter(([file]) => areaOf(file) !== null)
      .map(([file, text]) => [file, readImports(file, text)] as const),
  );
  const indexes = readIndexes(read);
  for (const [file, { imports, faults }] of read) {
    const text = sources.get(file) ?? "";
    const area = areaOf(file);
    if (area === null) continue;
    if (area === "scripts" || area === "tools" || area === "simulation") {
      // Files outside of `src` may import what they like from elsewhere. Programs are started by a name that is computed at run time.
      for (const found of imports) {
        const fault = judgeProgram(area, file, found);
        if (fault !== null) violations.push(`${file}:${lineAt(text, found.offset)}: ${fault}`);
      }
      continue;
    }
    const complaints = [
      ...faults,
      ...imports.map((found) => ({ offset: found.offset, fault: judge(area, file, found, indexes) })),
    ].filter(({ fault }) => fault !== null);
    const ownRoom = area === "src" ? roomOf(moduleOf(file)) : null;
    if (ownRoom !== null && ownRoom !== ENTRY && ownRoom !== ASSEMBLY && ROOMS[ownRoom] === undefined) {
      complaints.unshift({
        offset: 0,
        fault: `src/${ownRoom} is not a known room; add it to tools/check/import-rules.ts`,
      });
    }
    for (const { offset, fault } of complaints) violations.push(`${file}:${lineAt(text, offset)}: ${fault}`);
  }
  return [...violations, ...findCycles(read, indexes)];
}

function areaOf(file: string): "src" | "client" | "scripts" | "tools" | "simulation" | "inspector" | null {
  if (file.endsWith(".d.ts") || file === INSPECTOR_BUILD) return null;
  if (file.startsWith("src/")) return "src";
  if (file.startsWith("scripts/")) return "scripts";
  if (file.startsWith("tools/")) return "tools";
  if (file.startsWith("simulation/")) return "simulation";
  if (file.startsWith("inspector/")) return "inspector";
  return file.startsWith("client/src/") ? "client" : null;
}

/**
 * The npm package contains the programs of users and operators, but neither the developers' tools nor the simulation, which build on
 * those programs. Returns null if the import is allowed.
 */
function judgeProgram(area: "scripts" | "tools" | "simulation", file: string, { specifier }: Import): string | null {
  if (!specifier.startsWith(".")) return null;
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (area === "scripts" && /^(tools|simulation|test)\//.test(target)) {
    return `scripts may not import ${target}: the npm package does not contain ${target.split("/")[0]}/`;
  }
  if (area === "simulation" && target.startsWith("tools/"))
    return `simulation may not import ${target}: the tools build on the simulation`;
  return null;
}

/** Returns null if the import is allowed. */
function judge(
  area: "src" | "client" | "inspector",
  file: string,
  { specifier, isType, names }: Import,
  indexes: Indexes,
): string | null {
  if (area === "inspector") return judgeInspector(file, { specifier, isType });
  if (!specifier.startsWith(".")) {
    return area === "client" ? judgeClientPackage(file, { specifier, isType }) : judgePackage(file, specifier);
  }
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (/\/(utils?|helpers?)(\.|\/|$)/.test(target))
    return `${target} has a name that says nothing: name a file after its contents`;
  if (area === "client") {
    if (target.startsWith("client/src/")) return null;
    if (target.startsWith("src/api/") && isType) return null;
    return `client may import only types of api, not ${target}`;
  }
  if (!target.startsWith("src/")) return `src may not import ${target}, which is outside of src`;
  const from = moduleOf(file);
  const to = moduleOf(target);
  if (from === ENTRY || from === ASSEMBLY) return null;
  if (to === ENTRY) return "no file may import worker.ts: it is the entry for requests and jobs";
  if (to === ASSEMBLY) return "only worker.ts may import assembly.ts, which builds the parts for it";
  for (const source of sourcesOf(target, { isType, names }, indexes)) {
    const reader = PRIVATE_FILES[moduleOf(source.file)];
    const isOwnType = source.isType && roomOf(from) === roomOf(to);
    const isOwnIndex = indexes.has(file) && sliceOf(source.file) === sliceOf(file);
    if (reader !== undefined && from !== reader && !isOwnType && !isOwnIndex) {
      return `only ${reader} may import ${moduleOf(source.file)}`;
    }
  }
  const [slice, entered] = [sliceOf(file), sliceOf(target)];
  if (entered !== null && entered !== slice && !to.endsWith("/index")) {
    return `code outside of session/${entered} may import only its index, not ${to}`;
  }
  if (roomOf(from) === roomOf(to)) return null;
  if (isType && roomOf(to) === "api") return null;
  if (slice !== null) {
    const allowed = [...FOUNDATION, ...(SLICES[slice] ?? [])];
    if (allowed.some((pattern) => matches(pattern, to))) return null;
    return `session/${slice} may not import ${to}; it may import ${allowed.join(", ")} and the indexes of other slices`;
  }
  const room = ROOMS[roomOf(from)];
  if (room === undefined) return null; // The room is unknown: that is reported once for the file.
  if (room.rooms.some((pattern) => matches(pattern, to))) return null;
  if (isType && room.types?.some((pattern) => matches(pattern, to)) === true) return null;
  return `${roomOf(from)} may not import ${to}; it may import ${room.rooms.join(", ") || "no other room"}`;
}

function judgeClientPackage(file: string, { specifier, isType }: Pick<Import, "specifier" | "isType">): string | null {
  const adapter = Object.entries(ADAPTERS).find(([directory]) => file.startsWith(directory))?.[1];
  const isPeer = adapter?.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`)) === true;
  if (adapter === undefined || !isPeer) return `client has no dependencies, so it cannot import ${specifier}`;
  return adapter.isTypeOnly && !isType ? `client may import only types of ${adapter.packages.join(", ")}` : null;
}

/** The inspector uses the service over HTTP only: of the Worker's code it may import types. */
function judgeInspector(file: string, { specifier, isType }: Pick<Import, "specifier" | "isType">): string | null {
  if (!specifier.startsWith(".")) {
    const isKnown = INSPECTOR_PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    return isKnown ? null : `inspector may import only ${INSPECTOR_PACKAGES.join(", ")}, not ${specifier}`;
  }
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (target.startsWith("inspector/") || /^examples\/.+\?raw$/.test(target)) return null;
  if (target.startsWith("src/api/") && isType) return null;
  return `inspector may import only types of api, not ${target}`;
}

function judgePackage(file: string, specifier: string): string | null {
  const packages = ROOMS[roomOf(moduleOf(file))]?.packages ?? null;
  if (packages === null || packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return null;
  const allowed = packages.length === 0 ? "no package" : `${packages.join(", ")} alone`;
  return `${roomOf(moduleOf(file))} may import ${allowed}, not ${specifier}`;
}

/** What an import takes and from which file. An index is resolved to the files behind it. */
function sourcesOf(
  target: string,
  { isType, names }: Pick<Import, "isType" | "names">,
  indexes: Indexes,
): { file: string; isType: boolean }[] {
  const index = indexes.get(target);
  if (index === undefined) return [{ file: target, isType }];
  return names.map((name) => ({ file: index.get(name.name) ?? target, isType: isType || name.isType }));
}

/** `log` for files of src/session/log; null for files outside of the slices. */
function sliceOf(file: string): string | null {
  const slice = SLICE.exec(moduleOf(file))?.[1];
  return slice !== undefined && SLICES[slice] !== undefined ? slice : null;
}

function readIndexes(read: ReadonlyMap<string, { imports: Import[] }>): Indexes {
  const indexes = new Map<string, Map<string, string>>();
  for (const [file, { imports }] of read) {
    if (sliceOf(file) === null || !file.endsWith("/index.ts")) continue;
    const names = new Map<string, string>();
    for (const found of imports) {
      const target = path.posix.join(path.posix.dirname(file), found.specifier);
      for (const { name } of found.names) names.set(name, target);
    }
    indexes.set(file, names);
  }
  return indexes;
}

/**
 * Files of `src` that import each other in a circle, not counting types. An index is resolved to the files behind it: two slices may
 * use each other as long as no file depends on itself.
 */
function findCycles(read: ReadonlyMap<string, { imports: Import[] }>, indexes: Indexes): string[] {
  const edges = new Map<string, string[]>();
  for (const [file, { imports }] of read) {
    if (!file.startsWith("src/") || indexes.has(file)) continue;
    const targets = imports
      .filter(({ specifier, isType }) => specifier.startsWith(".") && !isType)
      .flatMap((found) => sourcesOf(path.posix.join(path.posix.dirname(file), found.specifier), found, indexes))
      .filter(({ isType }) => !isType)
      .map((source) => source.file);
    edges.set(file, [...new Set(targets)]);
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    const at = way.indexOf(file);
    if (at >= 0) {
      cycles.push(
        `${file}:1: these files import each other in a circle: ${[...way.slice(at), file].map(moduleOf).join(" → ")}`,
      );
      return;
    }
    if (done.has(file)) return;
    for (const next of edges.get(file) ?? []) walk(next, [...way, file]);
    done.add(file);
  };
  for (const file of edges.keys()) walk(file, []);
  return cycles;
}

/** `src/session/store.ts` → `session/store`. */
function moduleOf(file: string): string {
  return file.replace(/^src\//, "").replace(/\.[cm]?[jt]sx?$/, "");
}

function roomOf(module: string): string {
  return module.split("/")[0] ?? module;
}

function matches(pattern: string, module: string): boolean {
  if (!pattern.includes("/")) return roomOf(module) === pattern;
  const expression = pattern.replaceAll("*", "[^/]*");
  return new RegExp(`^${expression}$`).test(module);
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

interface Fault {
  offset: number;
  fault: string | null;
}

function readImports(file: string, text: string): { imports: Import[]; faults: Fault[] } {
  const { program, errors } = parseSync(file, text);
  const imports: Import[] = [];
  const faults: Fault[] = errors.map((error) => ({ offset: 0, fault: `cannot be parsed: ${error.message}` }));
  visit(program, (node) => {
    const source = literalOf(node["source"]);
    const offset = typeof node["start"] === "number" ? node["start"] : 0;
    if (typeof node["type"] !== "string") return;
    if (["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration"].includes(node["type"])) {
      if (source !== null) imports.push({ specifier: source, isType: isTypeOnly(node), offset, names: namesOf(node) });
    } else if (node["type"] === "TSImportType") {
      const specifier = source ?? literalOf(node["argument"]);
      if (specifier !== null)
        imports.push({ specifier, isType: true, offset, names: [{ name: nameOf(node["qualifier"]), isType: true }] });
    } else if (node["type"] === "ImportExpression") {
      if (source === null) faults.push({ offset, fault: "an import whose target is computed cannot be checked" });
      else imports.push({ specifier: source, isType: false, offset, names: [] });
    } else if (node["type"] === "TSImportEqualsDeclaration") {
      faults.push({ offset, fault: "use import … from instead of import … = require(…)" });
    }
  });
  return { imports, faults };
}

function isTypeOnly(node: Record<string, unknown>): boolean {
  if (node["importKind"] === "type" || node["exportKind"] === "type") return true;
  const specifiers = Array.isArray(node["specifiers"]) ? node["specifiers"] : [];
  return (
    specifiers.length > 0 &&
    specifiers.every((specifier) => specifier.importKind === "type" || specifier.exportKind === "type")
  );
}

/** Names as the imported file exports them. */
function namesOf(node: Record<string, unknown>): ImportedName[] {
  const isType = node["importKind"] === "type" || node["exportKind"] === "type";
  const specifiers: unknown[] = Array.isArray(node["specifiers"]) ? node["specifiers"] : [];
  return specifiers.filter(isObject).map((specifier) => ({
    name: nameOf(specifier["type"] === "ExportSpecifier" ? specifier["local"] : specifier["imported"]),
    isType: isType || specifier["importKind"] === "type" || specifier["exportKind"] === "type",
  }));
}

function nameOf(node: unknown): string {
  return isObject(node) && typeof node["name"] === "string" ? node["name"] : "";
}

function literalOf(node: unknown): string | null {
  if (!isObject(node)) return null;
  if (node["type"] === "TSLiteralType") return literalOf(node["literal"]);
  return typeof node["value"] === "string" ? node["value"] : null;
}

function visit(node: unknown, look: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, look);
  } else if (isObject(node)) {
    look(node);
    for (const child of Object.values(node)) visit(child, look);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
