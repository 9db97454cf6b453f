// Which bindings an environment has, and which the Worker is written for.

/** What `wrangler deploy --dry-run` lists, one line each: `env.NAME (…)`. Secrets are not among them. */
export function listedBindings(output: string): string[] {
  return [...output.matchAll(/^env\.(\w+)/gm)].map(([, name]) => name ?? "");
}

/** Every name that the generated types hold, for whichever environment it is declared. */
export function typedBindings(types: string): string[] {
  const body = /interface __BaseEnv_Env \{\n(?<body>[\s\S]*?)\n\}/.exec(types)?.groups?.["body"] ?? "";
  return [...body.matchAll(/^\s*(\w+)\??:/gm)].map(([, name]) => name ?? "");
}

/** One line for each name that the Worker may ask an environment for in vain. */
export function missingBindings(typed: readonly string[], available: readonly string[], environment: string): string[] {
  return typed
    .filter((name) => !available.includes(name))
    .map((name) => `${name} is missing in the environment ${environment}: repeat it there, as it inherits none`);
}
