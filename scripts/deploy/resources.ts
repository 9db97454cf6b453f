// What an environment of wrangler.toml needs in the account before its first deployment.
import { type Unstable_Config as Config, unstable_readConfig as readConfig } from "wrangler";
import { variableRows } from "../../src/config/variables.ts";
import { StartError } from "../dev/start-error.ts";
import { checkVariables } from "./check-variables.ts";

export interface Resources {
  readonly environment: string;
  /** The queues for jobs, and those for dead letters. */
  readonly queues: readonly string[];
  readonly hyperdrive: {
    readonly name: string;
    /** Null if wrangler.toml does not have it yet. */
    readonly id: string | null;
  };
  /** The KV namespace of the tenants' copies. */
  readonly copies: {
    readonly name: string;
    /** Null if wrangler.toml does not have it yet. */
    readonly id: string | null;
  };
  readonly secrets: readonly SecretNeed[];
}

interface SecretNeed {
  readonly name: string;
  /** True for a key that may be any random value; other secrets are issued by somebody else. */
  readonly isGenerated: boolean;
  /** True if the Worker does not start without it. */
  readonly isRequired: boolean;
}

/** Placeholder for an id in wrangler.toml: one digit, 32 times. */
const NO_ID = /^(\d)\1{31}$/;

export function hasNoId(id: string | undefined): boolean {
  return id === undefined || NO_ID.test(id);
}

/** @throws {StartError} if there is no such environment, or its variables have faults */
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
  const [copies] = config.kv_namespaces;
  const worker = config.name ?? `threadkeep-${environment}`;
  const consumers = config.queues.consumers ?? [];
  const queues = [
    ...(config.queues.producers ?? []).map(({ queue }) => queue),
    ...consumers.flatMap(({ queue, dead_letter_queue: dead }) => (dead === undefined ? [queue] : [queue, dead])),
  ];
  const secrets = variableRows().filter(({ isSecret }) => isSecret === true);
  const optional = secrets.filter((row) => row.default !== null).map(({ name }) => name);
  // Faults of the environment without any of its optional secrets.
  const missing = checkVariables(config.vars, hasWorkersAi, optional);
  return {
    environment,
    queues: [...new Set(queues.filter((queue) => queue !== undefined))],
    hyperdrive: {
      name: worker,
      id: hasNoId(hyperdrive?.id) ? null : (hyperdrive?.id ?? null),
    },
    copies: { name: `${worker}-tenants`, id: hasNoId(copies?.id) ? null : (copies?.id ?? null) },
    secrets: secrets.map((row) => ({
      name: row.name,
      isGenerated: row.default === null,
      isRequired: row.default === null || missing.some((fault) => fault.includes(row.name)),
    })),
  };
}

/** The text of wrangler.toml with the id of one binding of the environment; nothing else is changed. */
export function withId(
  toml: string,
  environment: string,
  { table, id }: { readonly table: "hyperdrive" | "kv_namespaces"; readonly id: string },
): string {
  const head = `[[env.${environment}.${table}]]`;
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
