// What an environment of wrangler.toml needs in the account before its first deploy.
import { type Unstable_Config as Config, unstable_readConfig as readConfig } from "wrangler";
import { variableRows } from "../../src/config/variables.ts";
import { StartError } from "../dev/start-error.ts";
import { checkVariables } from "./check-variables.ts";

export interface Resources {
  readonly environment: string;
  /** Those that work is sent to, and those of dead letters. */
  readonly queues: readonly string[];
  readonly hyperdrive: {
    readonly name: string;
    /** Null: wrangler.toml has none yet. */
    readonly id: string | null;
  };
  readonly secrets: readonly SecretNeed[];
}

export interface SecretNeed {
  readonly name: string;
  /** A key of our own, which may be any; another one comes from whoever gave it out. */
  readonly isGenerated: boolean;
  /** Without it the Worker does not start. */
  readonly isRequired: boolean;
}

/** What wrangler.toml holds until an id is written: one digit, 32 times. */
const NO_ID = /^(\d)\1{31}$/;

export function hasNoId(id: string | undefined): boolean {
  return id === undefined || NO_ID.test(id);
}

/** @throws StartError if there is no such environment, or its variables have faults. */
export function readResources(configFile: string, environment: string): Resources {
  const known = readConfig({ config: configFile }, { hideWarnings: true }).definedEnvironments ?? [];
  if (!known.includes(environment)) {
    throw new StartError(`wrangler.toml has no environment "${environment}": give --env ${known.join(" or --env ")}.`);
  }
  const config: Config = readConfig({ config: configFile, env: environment }, { hideWarnings: true });
  const hasWorkersAi = config.ai !== undefined;
  const faults = checkVariables(config.vars, hasWorkersAi);
  if (faults.length > 0) {
    throw new StartError(
      `Mend the variables of ${environment} first:\n${faults.map((fault) => `- ${fault}`).join("\n")}`,
    );
  }
  const [hyperdrive] = config.hyperdrive;
  const consumers = config.queues.consumers ?? [];
  const queues = [
    ...(config.queues.producers ?? []).map(({ queue }) => queue),
    ...consumers.flatMap(({ queue, dead_letter_queue: dead }) => (dead === undefined ? [queue] : [queue, dead])),
  ];
  return {
    environment,
    queues: [...new Set(queues.filter((queue) => queue !== undefined))],
    hyperdrive: {
      name: config.name ?? `threadkeep-${environment}`,
      id: hasNoId(hyperdrive?.id) ? null : (hyperdrive?.id ?? null),
    },
    secrets: variableRows()
      .filter(({ isSecret }) => isSecret === true)
      .map((row) => ({
        name: row.name,
        isGenerated: row.default === null,
        isRequired: row.default === null || checkVariables(config.vars, hasWorkersAi, [row.name]).length > 0,
      })),
  };
}

/** The text of wrangler.toml with the id of an environment's Hyperdrive. All else stays as it is. */
export function withHyperdriveId(toml: string, environment: string, id: string): string {
  const head = `[[env.${environment}.hyperdrive]]`;
  const start = toml.indexOf(head);
  const next = toml.indexOf("\n[", start + head.length);
  const end = next === -1 ? toml.length : next;
  const block = toml.slice(start, end);
  const changed = block.replace(/^(\s*id\s*=\s*)"[^"]*"/m, `$1"${id}"`);
  if (start === -1 || !changed.includes(`"${id}"`)) {
    throw new StartError(`wrangler.toml has no id under ${head}: write id = "${id}" there by hand.`);
  }
  return `${toml.slice(0, start)}${changed}${toml.slice(end)}`;
}
