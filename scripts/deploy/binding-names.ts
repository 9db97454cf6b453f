// Compares the bindings of an environment with those that the Worker expects.

/** Reads the bindings that `wrangler deploy --dry-run` lists, one per line: `env.NAME (…)`. Secrets are not listed. */
export function listedBindings(output: string): string[] {
  return [...output.matchAll(/^env\.(\w+)/gm)].map(([, name]) => name ?? "");
}

/** The names of all bindings in the generated types, in whichever environment they are declared. */
export function typedBindings(types: string): string[] {
  const body = /interface __BaseEnv_Env \{\n(?<body>[\s\S]*?)\n\}/.exec(types)?.groups?.["body"] ?? "";
  return [...body.matchAll(/^\s*(\w+)\??:/gm)].map(([, name]) => name ?? "");
}

/** One line for each binding that the Worker expects and the environment lacks. */
export function missingBindings(typed: readonly string[], available: readonly string[], environment: string): string[] {
  return typed
    .filter((name) => !available.includes(name))
    .map((name) => `${name} is missing in the environment ${environment}: repeat it there, as it inherits none`);
}
