// Predicts what the Worker will say about an environment's variables when it starts.
import { ConfigError, parseConfig } from "../../src/config/config.ts";
import { variableRows } from "../../src/config/variables.ts";

/**
 * A placeholder for a secret: long enough for a key, different for each name because keys must differ, and a valid URL.
 */
const secretOf = (name: string): string => `https://stand-in.example/${name}`;

/**
 * Faults of the variables, and secrets that are in a file that everybody can read. Whether secrets are set is known
 * only to Cloudflare, so they count as set.
 *
 * @param vars the variables of one environment in wrangler.toml
 * @param without secrets that count as not set
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
