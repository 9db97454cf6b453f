/**
 * Makes `src/prompt/meaning/hamming.wasm` from `hamming.wat` beside it: `node tools/compile-wasm.ts`. The same text gives
 * the same bytes, which a test checks.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import wabt from "wabt";
import { projectRoot } from "../scripts/dev/paths.ts";

const SOURCE = path.join(projectRoot, "src/prompt/meaning/hamming.wat");
export const HAMMING_WASM = SOURCE.replace(/wat$/, "wasm");

/** The compiled bytes of hamming.wat. */
export async function compileHamming(): Promise<Uint8Array<ArrayBuffer>> {
  const compiler = await wabt();
  const module = compiler.parseWat(SOURCE, readFileSync(SOURCE, "utf8"), { simd: true });
  try {
    module.validate();
    return new Uint8Array(module.toBinary({}).buffer);
  } finally {
    module.destroy();
  }
}

if (import.meta.main) writeFileSync(HAMMING_WASM, await compileHamming());
