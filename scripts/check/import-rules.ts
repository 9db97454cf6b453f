import path from "node:path";
import { parseSync } from "rolldown/utils";

interface Room {
  /** Rooms and files (`session/client`; `*` stands for any part of a name) that it may import. Its own files always. */
  rooms: string[];
  /** Packages that it may import. Null: every package. */
  packages: string[] | null;
}

const FOUNDATION = ["contracts", "lib", "memory", "telemetry"];

/** Who may import whom. Types of `contracts` are open to all. */
const ROOMS: Record<string, Room> = {
  // What is nobody's: each file has three or more callers, or lives with its caller.
  lib: { rooms: [], packages: [] },
  contracts: { rooms: [], packages: ["zod"] },
  memory: { rooms: ["contracts"], packages: ["node:buffer", "node:zlib"] },
  telemetry: { rooms: ["contracts", "lib"], packages: null },
  // A frame on a socket passes the same checks of scopes, of words and of rates as a request, and the object itself asks for a lease of its tenant's quota and
  // whether a key still holds, and tells of work that is late.
  session: {
    rooms: [
      ...FOUNDATION,
      "config",
      "access/pace",
      "access/rate-limit",
      "access/scopes",
      "access/users-words",
      "registry/*-client",
    ],
    packages: null,
  },
  registry: { rooms: [...FOUNDATION, "config"], packages: null },
  archive: { rooms: FOUNDATION, packages: null },
  summarizer: { rooms: FOUNDATION, packages: null },
  // It calls providers of models as the summarizer does, and rests after failures alike.
  embedder: {
    rooms: [...FOUNDATION, "summarizer/circuit-breaker", "summarizer/retry-after", "summarizer/summarizer-error"],
    packages: null,
  },
  access: { rooms: [...FOUNDATION, "registry/*-client"], packages: null },
  pipeline: {
    rooms: [...FOUNDATION, "archive", "summarizer/client", "embedder/client", "session/client", "registry/*-client"],
    packages: null,
  },
  service: {
    rooms: [...FOUNDATION, "access", "archive", "embedder/client", "session/client", "registry/*-client"],
    packages: null,
  },
  http: { rooms: ["contracts", "telemetry", "service"], packages: null },
  // Its answers are texts that a model reads as they are: they are fenced and cut here, as a context is in its object.
  mcp: { rooms: [...FOUNDATION, "service"], packages: null },
  rpc: { rooms: ["contracts", "telemetry", "service"], packages: null },
  maintenance: { rooms: ["contracts", "lib", "telemetry", "service", "pipeline", "archive", "config"], packages: null },
  config: { rooms: ["contracts"], packages: null },
};

/** Files with one reader: everybody else may use their types only, from the same room. */
const PRIVATE_FILES: Record<string, string> = {
  "session/store": "session/transactions",
  "session/message-store": "session/store",
  "session/summary-store": "session/store",
  "session/job-store": "session/store",
  "session/vector-store": "session/store",
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
}

/**
 * Checks the import rules of the house. `sources` maps paths from the root of the repository, with `/`, to their text; only those
 * under src/, client/src/, scripts/, tools/ and inspector/ have rules. Returns one line a violation: `file:line: what is wrong`.
 */
export function findImportViolations(sources: Map<string, string>): string[] {
  const violations: string[] = [];
  for (const [file, text] of sources) {
    const area = areaOf(file);
    if (area === null) continue;
    const { imports, faults } = readImports(file, text);
    if (area === "scripts" || area === "tools") {
      // What they import from elsewhere is theirs to choose, and a program is started by a name that is made at run time.
      for (const found of imports) {
        const fault = judgeProgram(area, file, found);
        if (fault !== null) violations.push(`${file}:${lineAt(text, found.offset)}: ${fault}`);
      }
      continue;
    }
    const complaints = [
      ...faults,
      ...imports.map((found) => ({ offset: found.offset, fault: judge(area, file, found) })),
    ].filter(({ fault }) => fault !== null);
    const ownRoom = area === "src" ? roomOf(moduleOf(file)) : null;
    if (ownRoom !== null && ownRoom !== ENTRY && ownRoom !== ASSEMBLY && ROOMS[ownRoom] === undefined) {
      complaints.unshift({
        offset: 0,
        fault: `src/${ownRoom} is no room of the house; add it to scripts/check/import-rules.ts`,
      });
    }
    for (const { offset, fault } of complaints) violations.push(`${file}:${lineAt(text, offset)}: ${fault}`);
  }
  return violations;
}

function areaOf(file: string): "src" | "client" | "scripts" | "tools" | "inspector" | null {
  if (file.endsWith(".d.ts") || file === INSPECTOR_BUILD) return null;
  if (file.startsWith("src/")) return "src";
  if (file.startsWith("scripts/")) return "scripts";
  if (file.startsWith("tools/")) return "tools";
  if (file.startsWith("inspector/")) return "inspector";
  return file.startsWith("client/src/") ? "client" : null;
}

/** The package has the programs of users and operators, and none of the developers' tools: those build on these. Null: allowed. */
function judgeProgram(area: "scripts" | "tools", file: string, { specifier }: Import): string | null {
  if (!specifier.startsWith(".")) return null;
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (area === "scripts" && target.startsWith("tools/")) {
    return `scripts may not import ${target}: the package leaves tools/ out`;
  }
  return null;
}

/** Null: allowed. */
function judge(area: "src" | "client" | "inspector", file: string, { specifier, isType }: Import): string | null {
  if (area === "inspector") return judgeInspector(file, { specifier, isType });
  if (!specifier.startsWith(".")) {
    return area === "client" ? judgeClientPackage(file, { specifier, isType }) : judgePackage(file, specifier);
  }
  const target = path.posix.join(path.posix.dirname(file), specifier);
  if (/\/(utils?|helpers?)(\.|\/|$)/.test(target)) return `${target} says nothing: name a file after what it holds`;
  if (area === "client") {
    if (target.startsWith("client/src/")) return null;
    if (target.startsWith("src/contracts/") && isType) return null;
    return `client may import nothing but types of contracts, not ${target}`;
  }
  if (!target.startsWith("src/")) return `src may not import ${target}, which lies outside`;
  const from = moduleOf(file);
  const to = moduleOf(target);
  if (from === ENTRY || from === ASSEMBLY) return null;
  if (to === ENTRY) return "nothing imports worker.ts: it is where requests and jobs come in";
  if (to === ASSEMBLY) return "nothing but worker.ts imports assembly.ts: it builds the parts and hands them over";
  const reader = PRIVATE_FILES[to];
  if (reader !== undefined && from !== reader && !(isType && roomOf(from) === roomOf(to))) {
    return `nobody but ${reader} imports ${to}`;
  }
  if (roomOf(from) === roomOf(to)) return null;
  if (isType && roomOf(to) === "contracts") return null;
  const room = ROOMS[roomOf(from)];
  if (room === undefined) return null; // told once for the file
  if (room.rooms.some((pattern) => matches(pattern, to))) return null;
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
  if (target.startsWith("src/contracts/") && isType) return null;
  return `inspector may import nothing but types of contracts, not ${target}`;
}

function judgePackage(file: string, specifier: string): string | null {
  const packages = ROOMS[roomOf(moduleOf(file))]?.packages ?? null;
  if (packages === null || packages.some((name) => specifier === name || specifier.startsWith(`${name}/`))) return null;
  const allowed = packages.length === 0 ? "no package" : `${packages.join(", ")} alone`;
  return `${roomOf(moduleOf(file))} may import ${allowed}, not ${specifier}`;
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
      if (source !== null) imports.push({ specifier: source, isType: isTypeOnly(node), offset });
    } else if (node["type"] === "TSImportType") {
      const specifier = source ?? literalOf(node["argument"]);
      if (specifier !== null) imports.push({ specifier, isType: true, offset });
    } else if (node["type"] === "ImportExpression") {
      if (source === null) faults.push({ offset, fault: "an import whose target is computed cannot be checked" });
      else imports.push({ specifier: source, isType: false, offset });
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
