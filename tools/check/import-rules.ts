import path from "node:path";
import { parseSync } from "rolldown/utils";

interface Room {
  /** Rooms and files (`session/client`; `*` stands for any part of a name) that it may import. Its own files always. */
  rooms: string[];
  /** What it may have the types of besides. */
  types?: string[];
  /** Packages that it may import. Null: every package. */
  packages: string[] | null;
}

/** Pure, or told from outside what they need: whoever does work in `src` may build on them. */
const FOUNDATION = ["api", "lib", "prompt", "tokens", "telemetry"];
/** The directory, a tenant and the operations object are reached by their clients alone. */
const CLIENTS = ["directory/*client", "tenant/*client", "control/*client"];

/** Who may import whom. Types of `api` are open to all. */
const ROOMS: Record<string, Room> = {
  api: { rooms: [], packages: ["zod"] },
  // What is nobody's: each file has three or more callers, or lives with its caller.
  lib: { rooms: ["api"], types: ["telemetry/log"], packages: [] },
  tokens: { rooms: ["api"], packages: ["node:buffer", "node:zlib"] },
  prompt: { rooms: ["api", "tokens"], packages: ["node:buffer", "node:zlib"] },
  telemetry: { rooms: ["api", "lib"], packages: null },
  // The object's own class, its unit of work and its client. A frame on a socket passes the same checks of scopes, rates and users' words as a
  // request, and the object itself asks for a lease of its tenant's quota and whether a key still holds, and reports work that is late.
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
  // The object of owners calls that of operations by its binding, whose type names its class.
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
  // Its answers are texts that a model reads as they are: they are fenced and cut here, as a context is in its object.
  mcp: { rooms: [...FOUNDATION, "usecases"], packages: null },
  rpc: { rooms: ["api", "telemetry", "usecases"], packages: null },
  maintenance: { rooms: ["api", "lib", "telemetry", "usecases", "pipeline", "archive", "config"], packages: null },
  config: { rooms: ["api"], packages: null },
};

/**
 * The slices of `session`, with what each may import besides FOUNDATION and the indexes of the others. Nothing outside of a slice imports
 * past its index.
 */
const SLICES: Record<string, string[]> = {
  sqlite: [],
  // A user may not edit what the assistant said.
  log: ["access/users-words"],
  summary: [],
  // It reports work that is late.
  outbox: ["control/late-work-client"],
  erase: [],
  copies: [],
  archive: [],
  // Frames pass the checks of requests, and a socket closes when its key is revoked.
  live: ["access/*", "tenant/key-check-client", "tenant/key-client"],
  search: [],
  // Leases of a tenant's quota, and what a user took in a day over all sessions.
  quota: ["tenant/taken-client", "directory/user-day-client"],
  verify: [],
};
const SLICE = /^session\/([^/]+)\/([^/]+)$/;

/** Files with one reader: everybody else may use their types only, from the same room. An index is looked through. */
const PRIVATE_FILES: Record<string, string> = {
  "session/store": "session/transactions",
  "session/log/message-store": "session/store",
  "session/summary/summary-store": "session/store",
  "session/outbox/job-store": "session/store",
  "session/search/vector-store": "session/store",
};

/** What the adapters of the client are for: each is an optional peer, and types alone leave nothing of it in a bundle. */
const ADAPTERS: Record<string, { packages: readonly string[]; isTypeOnly: boolean }> = {
  "client/src/ai-sdk/": { packages: ["ai"], isTypeOnly: true },
  "client/src/langchain/": { packages: ["@langchain/core"], isTypeOnly: false },
  "client/src/langgraph/": { packages: ["@langchain/core", "@langchain/langgraph-checkpoint"], isTypeOnly: false },
  "client/src/opentelemetry/": { packages: ["@opentelemetry/api"], isTypeOnly: false },
  "client/src/openai-agents/": { packages: ["@openai/agents-core"], isTypeOnly: true },
};

/** What the page is made of. Its first view has a bound, and each package is there for one thing. */
const INSPECTOR_PACKAGES = ["preact", "@preact/signals", "marked", "uplot", "swagger-ui-dist"];
/** The one file of the page that runs in Node. */
const INSPECTOR_BUILD = "inspector/vite.config.ts";

const ENTRY = "worker";
/** Builds the parts for the entry, of every room. */
const ASSEMBLY = "assembly";

interface Import {
  specifier: string;
  isType: boolean;
  offset: number;
  /** What is imported by name. Empty: all there is, or nothing. */
  names: ImportedName[];
}

interface ImportedName {
  name: string;
  isType: boolean;
}

/** Where the names of indexes come from: `src/session/log/index.ts` → `appendMessages` → `src/session/log/append.ts`. */
type Indexes = ReadonlyMap<string, ReadonlyMap<string, string>>;

/**
 * Checks the import rules of the house. `sources` maps paths from the root of the repository, with `/`, to their text; only those
 * under src/, client/src/, scripts/, tools/, simulation/ and inspector/ have rules. Returns one line a violation: `file:line: what is wrong`.
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
      // What they import from elsewhere is theirs to choose, and a program is started by a name that is made at run time.
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
        fault: `src/${ownRoom} is no room of the house; add it to tools/check/import-rules.ts`,
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
 * The package has the programs of users and operators, and nothing of the developers' tools or the simulation: those build on these. Null:
 * allowed.
 */
function judgeProgram(area: "scripts" | "tools" | "simulation", file: string, { specifier }: Import): string | null {
  if (!specifier.startsWith(".")) return null;
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (area === "scripts" && /^(tools|simulation|test)\//.test(target)) {
    return `scripts may not import ${target}: the package leaves ${target.split("/")[0]}/ out`;
  }
  if (area === "simulation" && target.startsWith("tools/"))
    return `simulation may not import ${target}: tools build on it`;
  return null;
}

/** Null: allowed. */
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
  if (/\/(utils?|helpers?)(\.|\/|$)/.test(target)) return `${target} says nothing: name a file after what it holds`;
  if (area === "client") {
    if (target.startsWith("client/src/")) return null;
    if (target.startsWith("src/api/") && isType) return null;
    return `client may import nothing but types of api, not ${target}`;
  }
  if (!target.startsWith("src/")) return `src may not import ${target}, which lies outside`;
  const from = moduleOf(file);
  const to = moduleOf(target);
  if (from === ENTRY || from === ASSEMBLY) return null;
  if (to === ENTRY) return "nothing imports worker.ts: it is where requests and jobs come in";
  if (to === ASSEMBLY) return "nothing but worker.ts imports assembly.ts: it builds the parts and hands them over";
  for (const source of sourcesOf(target, { isType, names }, indexes)) {
    const reader = PRIVATE_FILES[moduleOf(source.file)];
    const isOwnType = source.isType && roomOf(from) === roomOf(to);
    const isOwnIndex = indexes.has(file) && sliceOf(source.file) === sliceOf(file);
    if (reader !== undefined && from !== reader && !isOwnType && !isOwnIndex) {
      return `nobody but ${reader} imports ${moduleOf(source.file)}`;
    }
  }
  const [slice, entered] = [sliceOf(file), sliceOf(target)];
  if (entered !== null && entered !== slice && !to.endsWith("/index")) {
    return `nothing outside of session/${entered} imports past its index, and ${to} is past it`;
  }
  if (roomOf(from) === roomOf(to)) return null;
  if (isType && roomOf(to) === "api") return null;
  if (slice !== null) {
    const allowed = [...FOUNDATION, ...(SLICES[slice] ?? [])];
    if (allowed.some((pattern) => matches(pattern, to))) return null;
    return `session/${slice} may not import ${to}; it may import ${allowed.join(", ")} and the indexes of other slices`;
  }
  const room = ROOMS[roomOf(from)];
  if (room === undefined) return null; // told once for the file
  if (room.rooms.some((pattern) => matches(pattern, to))) return null;
  if (isType && room.types?.some((pattern) => matches(pattern, to)) === true) return null;
  return `${roomOf(from)} may not import ${to}; it may import ${room.rooms.join(", ") || "no other room"}`;
}

function judgeClientPackage(file: string, { specifier, isType }: Pick<Import, "specifier" | "isType">): string | null {
  const adapter = Object.entries(ADAPTERS).find(([directory]) => file.startsWith(directory))?.[1];
  const isPeer = adapter?.packages.some((name) => specifier === name || specifier.startsWith(`${name}/`)) === true;
  if (adapter === undefined || !isPeer) return `client has no dependencies, so it may not import ${specifier}`;
  return adapter.isTypeOnly && !isType ? `client may import nothing but types of ${adapter.packages.join(", ")}` : null;
}

/** It speaks to the service over HTTP alone: of the Worker's code it knows the shapes. */
function judgeInspector(file: string, { specifier, isType }: Pick<Import, "specifier" | "isType">): string | null {
  if (!specifier.startsWith(".")) {
    const isKnown = INSPECTOR_PACKAGES.some((name) => specifier === name || specifier.startsWith(`${name}/`));
    return isKnown ? null : `inspector may import ${INSPECTOR_PACKAGES.join(", ")} alone, not ${specifier}`;
  }
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (target.startsWith("inspector/") || /^examples\/.+\?raw$/.test(target)) return null;
  if (target.startsWith("src/api/") && isType) return null;
  return `inspector may import nothing but types of api, not ${target}`;
}

function judgePackage(file: string, specifier: string): string | null {
  const packages = ROOMS[roomOf(moduleOf(file))]?.packages ?? null;
  if (packages === null || packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return null;
  const allowed = packages.length === 0 ? "no package" : `${packages.join(", ")} alone`;
  return `${roomOf(moduleOf(file))} may import ${allowed}, not ${specifier}`;
}

/** What an import takes, and from where: through an index, the files behind it. */
function sourcesOf(
  target: string,
  { isType, names }: Pick<Import, "isType" | "names">,
  indexes: Indexes,
): { file: string; isType: boolean }[] {
  const index = indexes.get(target);
  if (index === undefined) return [{ file: target, isType }];
  return names.map((name) => ({ file: index.get(name.name) ?? target, isType: isType || name.isType }));
}

/** `log` for the files of src/session/log; null for all that is in no slice. */
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
 * Files of `src` that import each other in a circle, types aside. An index is looked through: that a slice has what two others need, and needs
 * what they have, is no circle as long as no file does.
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
        `${file}:1: files import each other in a circle: ${[...way.slice(at), file].map(moduleOf).join(" → ")}`,
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

/** By the names that the other file has for them. */
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
