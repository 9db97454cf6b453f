// What the Worker will say of an environment's variables when it starts there.
import { ConfigError, parseConfig } from "../../src/config/config.ts";
import { variableRows } from "../../src/config/variables.ts";

/** A stand-in for what no file holds: long enough for a key, another for each as keys have to be, and an address for what is one. */
const secretOf = (name: string): string => `https://stand-in.example/${name}`;

/**
 * Faults of the variables, and secrets that stand where everybody reads them. Whether the secrets are set is known to Cloudflare alone:
 * they count as set here.
 *
 * @param vars those of one environment of wrangler.toml
 * @param without secrets to count as not set, all the same
 */
export function checkVariables(
  vars: Readonly<Record<string, unknown>>,
  hasWorkersAi: boolean,
  without: readonly string[] = [],
): string[] {
  const secrets = variableRows().filter(({ isSecret }) => isSecret === true);
  const open = secrets.filter(({ name }) => name in vars).map(({ name }) => secretFault(name));
  const env = {
    ...Object.fromEntries(
      secrets.filter(({ name }) => !without.includes(name)).map(({ name }) => [name, secretOf(name)]),
    ),
    ...vars,
    ...(hasWorkersAi ? { AI: { run: () => undefined } } : {}),
  };
  try {
    parseConfig(env);
    return open;
  } catch (error) {
    if (error instanceof ConfigError) return [...open, ...error.faults];
    throw error;
  }
}

function secretFault(name: string): string {
  return `${name} is a secret and must not stand in wrangler.toml: take it out, set another one with "wrangler secret put ${name}"`;
}
