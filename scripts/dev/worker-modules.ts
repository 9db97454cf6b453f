import { readdirSync } from "node:fs";
import path from "node:path";
import type { V4ModuleDefinition } from "miniflare";

/** Wrangler's default rules, by file ending. */
const MODULE_TYPES: Record<string, "ESModule" | "Text" | "Data" | "CompiledWasm"> = {
  ".js": "ESModule",
  ".mjs": "ESModule",
  ".txt": "Text",
  ".html": "Text",
  ".sql": "Text",
  ".bin": "Data",
  ".wasm": "CompiledWasm",
};

/** The entry comes first, as Miniflare requires; then what the bundle imports as text, bytes or WebAssembly. */
export function listModules(directory: string): V4ModuleDefinition[] {
  const entry = { type: "ESModule" as const, path: path.join(directory, "worker.js") };
  const others = readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => name !== "worker.js")
    .flatMap((name) => {
      const type = MODULE_TYPES[path.extname(name)];
      return type === undefined ? [] : [{ type, path: path.join(directory, name) }];
    });
  return [entry, ...others];
}
