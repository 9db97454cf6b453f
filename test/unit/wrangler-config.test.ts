import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig, type Unstable_Config as Config } from "wrangler";
import { RATE_LIMIT_PERIOD_SECONDS } from "../../src/access/rate-limit.ts";

const ENVIRONMENTS = ["staging", "production"];

/** An environment inherits no bindings: what it does not repeat is missing there, and only a deploy would tell. */
const local = read(undefined);

function read(environment: string | undefined): Config {
  return readConfig({ config: "wrangler.toml", env: environment }, { hideWarnings: true });
}

/** Everything that must be the same everywhere; names of queues without their environment, variables without their values. */
function comparable(config: Config, environment: string): Record<string, unknown> {
  const { name: _name, vars, hyperdrive, queues, ratelimits, workflows, ai: _onlyDeployed, ...rest } = config;
  const plain = (queue: string | undefined): string | undefined => queue?.replace(`-${environment}`, "");
  const { routes: _routes, route: _route, workers_dev: _workersDev, preview_urls: _previews, ...shared } = rest;
  return {
    ...shared,
    targetEnvironment: undefined,
    vars: Object.keys(vars).toSorted(),
    hyperdrive: hyperdrive.map(({ binding }) => binding),
    workflows: workflows.map((workflow) => ({ ...workflow, name: plain(workflow.name) })),
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

  it("has a name and queues of its own", () => {
    expect(deployed.name).not.toBe(local.name);
    const localQueues = queueNames(local);
    for (const queue of queueNames(deployed)) expect(localQueues).not.toContain(queue);
  });

  it("counts requests by itself: limits of one name space would be used up by another environment's callers", () => {
    const spaces = [local, ...ENVIRONMENTS.map((other) => read(other))].flatMap(({ ratelimits }) =>
      ratelimits.map(({ namespace_id: space }) => space),
    );
    expect(new Set(spaces).size).toBe(spaces.length);
    for (const { simple } of deployed.ratelimits) expect(simple.period).toBe(RATE_LIMIT_PERIOD_SECONDS);
  });

  it("has a database of its own", () => {
    const others = ENVIRONMENTS.filter((other) => other !== environment).map((other) => read(other));
    for (const { id } of deployed.hyperdrive) {
      for (const other of others) expect(other.hyperdrive.map((binding) => binding.id)).not.toContain(id);
    }
  });
});

describe.each([undefined, ...ENVIRONMENTS])("the queues of the environment %s", (environment) => {
  const { queues } = read(environment);
  const consumed = queues.consumers?.map((consumer) => consumer.queue) ?? [];

  it("are all consumed, those of dead letters too: unconsumed, they forget after four days", () => {
    for (const { queue } of queues.producers ?? []) expect(consumed).toContain(queue);
    for (const { dead_letter_queue: dead } of queues.consumers ?? [])
      if (dead !== undefined) expect(consumed).toContain(dead);
  });

  it("lose no message: each that work is sent to has a limit of retries and a dead-letter queue", () => {
    const produced = queues.producers?.map((producer) => producer.queue) ?? [];
    for (const consumer of queues.consumers ?? []) {
      if (!produced.includes(consumer.queue)) continue;
      expect(consumer.dead_letter_queue).toBeDefined();
      expect(consumer.max_retries).toBeGreaterThan(0);
    }
  });
});

it("asks for no account on a laptop: an AI binding stands under deployed environments alone", () => {
  expect(local.ai).toBeUndefined();
});

it("declares its objects once: exports and migrations exclude each other", () => {
  expect(local.migrations).toEqual([]);
  const declared = Object.keys(local.exports ?? {});
  for (const { class_name: name } of local.durable_objects.bindings) expect(declared).toContain(name);
});

it("keeps query strings out of the platform's logs: they may carry what was searched for", () => {
  for (const environment of [undefined, ...ENVIRONMENTS]) {
    expect(read(environment).observability).toMatchObject({ redact_query_string: true });
  }
});

function queueNames(config: Config): string[] {
  return config.queues.consumers?.map((consumer) => consumer.queue) ?? [];
}
