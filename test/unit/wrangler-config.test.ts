import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig, type Unstable_Config as Config } from "wrangler";
import { RATE_LIMIT_PERIOD_SECONDS } from "../../src/access/rate-limit.ts";
import { variableRows } from "../../src/config/variables.ts";
import { EVERY_MINUTE, EVERY_NIGHT } from "../../src/maintenance/schedule.ts";

const ENVIRONMENTS = ["staging", "production"];

/** An environment inherits no bindings: what it does not repeat is missing there, which only a deploy would show. */
const local = read(undefined);

function read(environment: string | undefined): Config {
  return readConfig({ config: "wrangler.toml", env: environment }, { hideWarnings: true });
}

/** Everything that must be the same everywhere: names of queues without their environment, variables without their values. */
function comparable(config: Config, environment: string): Record<string, unknown> {
  const {
    name: _name,
    vars,
    hyperdrive,
    kv_namespaces,
    queues,
    ratelimits,
    ai: _onlyDeployed,
    analytics_engine_datasets,
    workflows,
    observability,
    ...rest
  } = config;
  const plain = (queue: string | undefined): string | undefined => queue?.replace(`-${environment}`, "");
  const { routes: _routes, route: _route, workers_dev: _workersDev, preview_urls: _previews, ...shared } = rest;
  return {
    ...shared,
    targetEnvironment: undefined,
    vars: Object.keys(vars).toSorted(),
    // Each environment has its own rate of traces; docs/metrics.md lists them, and its test compares the list.
    observability: { ...observability, traces: { ...observability?.traces, head_sampling_rate: undefined } },
    hyperdrive: hyperdrive.map(({ binding }) => binding),
    namespaces: kv_namespaces.map(({ binding }) => binding),
    workflows: workflows.map((workflow) => ({ ...workflow, name: plain(workflow.name) })),
    datasets: analytics_engine_datasets.map(({ binding }) => binding),
    ratelimits: ratelimits.map(({ namespace_id: _own, ...limit }) => limit),
    producers: queues.producers?.map((producer) => ({ ...producer, queue: plain(producer.queue) })),
    consumers: queues.consumers?.map((consumer) => ({
      ...consumer,
      queue: plain(consumer.queue),
      dead_letter_queue: plain(consumer.dead_letter_queue),
    })),
  };
}

describe.each(ENVIRONMENTS)("the environment %s", (environment) => {
  const deployed = read(environment);

  it("repeats all bindings, objects, queue settings and variables of the local one", () => {
    expect(comparable(deployed, environment)).toEqual(comparable(local, environment));
  });

  it("has its own name and queues", () => {
    expect(deployed.name).not.toBe(local.name);
    const localQueues = queueNames(local);
    for (const queue of queueNames(deployed)) expect(localQueues).not.toContain(queue);
  });

  it("counts requests separately: a shared name space would let another environment's callers use up its limits", () => {
    const spaces = [local, ...ENVIRONMENTS.map((other) => read(other))].flatMap(({ ratelimits }) =>
      ratelimits.map(({ namespace_id: space }) => space),
    );
    expect(new Set(spaces).size).toBe(spaces.length);
    for (const { simple } of deployed.ratelimits) expect(simple.period).toBe(RATE_LIMIT_PERIOD_SECONDS);
  });

  it("has its own dataset of metrics", () => {
    const datasets = [local, ...ENVIRONMENTS.map(read)].flatMap(({ analytics_engine_datasets: own }) =>
      own.map(({ dataset }) => dataset),
    );
    expect(datasets).toHaveLength(1 + ENVIRONMENTS.length);
    expect(new Set(datasets).size).toBe(datasets.length);
    // Its SQL only accepts names of letters, digits and underscores.
    for (const dataset of datasets) expect(dataset).toMatch(/^[a-z_][a-z0-9_]*$/);
  });

  it("has its own copies of tenants: the names of tenants are those of their copies", () => {
    const others = [local, ...ENVIRONMENTS.filter((other) => other !== environment).map(read)];
    for (const { id } of deployed.kv_namespaces) {
      for (const other of others) expect(other.kv_namespaces.map((namespace) => namespace.id)).not.toContain(id);
    }
  });

  it("has its own database", () => {
    const others = ENVIRONMENTS.filter((other) => other !== environment).map((other) => read(other));
    for (const { id } of deployed.hyperdrive) {
      for (const other of others) expect(other.hyperdrive.map((binding) => binding.id)).not.toContain(id);
    }
  });
});

describe.each([undefined, ...ENVIRONMENTS])("the queues of the environment %s", (environment) => {
  const { queues } = read(environment);
  const consumed = queues.consumers?.map((consumer) => consumer.queue) ?? [];

  it("are all consumed, including dead letters, which would be lost after four days", () => {
    for (const { queue } of queues.producers ?? []) expect(consumed).toContain(queue);
    for (const { dead_letter_queue: dead } of queues.consumers ?? [])
      if (dead !== undefined) expect(consumed).toContain(dead);
  });

  it("lose no message: each work queue has a retry limit and a dead-letter queue", () => {
    const produced = queues.producers?.map((producer) => producer.queue) ?? [];
    for (const consumer of queues.consumers ?? []) {
      if (!produced.includes(consumer.queue)) continue;
      expect(consumer.dead_letter_queue).toBeDefined();
      expect(consumer.max_retries).toBeGreaterThan(0);
    }
  });
});

it("sets each variable to the default of the table, contains no secret's value, and asks for the secrets without one", () => {
  const rows = variableRows();
  const defaults = Object.fromEntries(rows.map((row) => [row.name, row.default ?? local.vars[row.name]]));
  expect(defaults).toMatchObject(local.vars);
  const secrets = rows.filter(({ isSecret }) => isSecret === true);
  for (const { name } of secrets) expect(local.vars).not.toHaveProperty(name);
  const required = secrets.filter((row) => row.default === null).map(({ name }) => name);
  expect(local.secrets?.required).toEqual(required);
});

it("has a cron for everything that runs by the clock, and no other", () => {
  expect(local.triggers.crons).toEqual([EVERY_MINUTE, EVERY_NIGHT]);
});

it("needs no account on a laptop: only deployed environments have an AI binding", () => {
  expect(local.ai).toBeUndefined();
});

it("declares its objects once, because exports and migrations exclude each other", () => {
  expect(local.migrations).toEqual([]);
  const declared = Object.keys(local.exports ?? {});
  for (const { class_name: name } of local.durable_objects.bindings) expect(declared).toContain(name);
});

it("keeps query strings out of the platform's logs, because they may contain search terms", () => {
  for (const environment of [undefined, ...ENVIRONMENTS]) {
    expect(read(environment).observability).toMatchObject({ redact_query_string: true });
  }
});

function queueNames(config: Config): string[] {
  return config.queues.consumers?.map((consumer) => consumer.queue) ?? [];
}
