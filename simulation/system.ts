import { registerHooks } from "node:module";
import { isOfDatabase, type Patch, patchesOf } from "./planted-bugs.ts";
import type { System } from "./system-types.ts";

/** The real modules of src/, loaded in Node, with planted bugs on request. */

const SOURCES = new URL("../src/", import.meta.url).href;
const STAND_IN = new URL("durable-object.ts", import.meta.url).href;
/** Names the variant of a module: which texts are replaced in it. */
const VARIANT = "simulation";

/** Where the source files are that the simulation uses. */
const MODULES = [
  "api/append.ts",
  "api/faults.ts",
  "api/message.ts",
  "session/object.ts",
  "session/client.ts",
  "session/quota/tenant-quota.ts",
  "directory/directory.ts",
  "directory/client.ts",
  "directory/user-client.ts",
  "tenant/tenant.ts",
  "tenant/client.ts",
  "control/operations.ts",
  "control/client.ts",
  "directory/owners.ts",
  "pipeline/consume.ts",
  "provider/provider-error.ts",
  "usecases/messages.ts",
  "usecases/context.ts",
  "usecases/search.ts",
  "usecases/summaries.ts",
  "usecases/sessions.ts",
  "usecases/transfer.ts",
  "usecases/imports.ts",
  "usecases/users.ts",
] as const;

/** Patches of a variant that were applied, to find those whose module was never loaded. */
const applied = new Map<string, Set<Patch>>();
let isHooked = false;

function variantOf(url: string | undefined): string | null {
  return url?.startsWith(SOURCES) === true ? new URL(url).searchParams.get(VARIANT) : null;
}

function hook(): void {
  if (isHooked) return;
  isHooked = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === "cloudflare:workers") return { url: STAND_IN, shortCircuit: true };
      const resolved = nextResolve(specifier, context);
      const variant = variantOf(context.parentURL);
      if (variant === null || !resolved.url.startsWith(SOURCES)) return resolved;
      return { ...resolved, url: `${resolved.url}?${VARIANT}=${variant}` };
    },
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const variant = variantOf(url);
      if (variant === null) return loaded;
      const file = new URL(url).pathname.slice(new URL(SOURCES).pathname.length);
      const patches = patchesOf(variant).filter((patch) => patch.file === file);
      if (patches.length === 0) return loaded;
      const { source } = loaded;
      let text = typeof source === "string" ? source : new TextDecoder().decode(source ?? undefined);
      for (const patch of patches) {
        text = patched(text, patch, variant);
        applied.get(variant)?.add(patch);
      }
      return { ...loaded, source: text };
    },
  });
}

function patched(text: string, patch: Patch, variant: string): string {
  const parts = text.split(patch.replace);
  if (parts.length !== 2) {
    throw new Error(
      `The variant "${variant}" of the simulation replaces a text that src/${patch.file} contains ${parts.length - 1} times:\n` +
        `${patch.replace}\nBring simulation/planted-bugs.ts up to date with that file.`,
    );
  }
  return parts.join(patch.by);
}

const systems = new Map<string, Promise<System>>();

/** The code under test, with a planted bug if one is named. Each variant is loaded once. */
export function loadSystem(variant: string): Promise<System> {
  const system = systems.get(variant) ?? load(variant);
  systems.set(variant, system);
  return system;
}

async function load(variant: string): Promise<System> {
  hook();
  applied.set(variant, new Set());
  const modules = await Promise.all(
    MODULES.map((file): Promise<object> => import(`${SOURCES}${file}?${VARIANT}=${variant}`)),
  );
  for (const patch of patchesOf(variant)) {
    if (isOfDatabase(patch)) continue;
    if (applied.get(variant)?.has(patch) !== true) {
      throw new Error(
        `The variant "${variant}" patches src/${patch.file}, which nothing imports. Name the file that does it now.`,
      );
    }
  }
  return Object.assign({}, ...modules) as System;
}
