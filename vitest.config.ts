import path from "node:path";
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { ensureInspector } from "./scripts/inspector/ensure.ts";
import { TEST_WORKER_BINDINGS } from "./test/support/worker-bindings.ts";
import { LongestFirst } from "./tools/check/longest-first.ts";

/** Most of their time tests of a service wait for it to start, and for work to be done behind it: two cores have room for twice as many. */
const WAITING_WORKERS = 4;

/**
 * Groups, one after the other: what shares the one workerd, what waits for services, and what computes in Node. `npm test` runs some side by
 * side (tools/check/vitest-run.ts). Times to fail after are many times what a test takes: they end what hangs, and judge no machine.
 */
export default defineConfig({
  // What a module of the Worker requires is resolved by the root's rules, and the root's are those of Node: without this
  // pg would get the empty stand-in of its sockets.
  resolve: { alias: { "pg-cloudflare": path.resolve("node_modules/pg-cloudflare/dist/index.js") } },
  test: {
    // The Worker logs each operation; only what led to a failure is worth reading.
    silent: "passed-only",
    sequence: { sequencer: LongestFirst },
    // A test must not lean on the one before it: each run takes another order, and prints its seed (`--sequence.seed`).
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          environment: "node",
          // To load the modules anew for each file takes longer than most files do.
          isolate: false,
          testTimeout: 60_000,
          sequence: { groupOrder: 3, shuffle: { tests: true } },
        },
      },
      {
        ssr: {
          resolve: {
            conditions: ["workerd", "worker", "module", "browser"],
            externalConditions: ["workerd", "worker"],
          },
        },
        plugins: [
          cloudflareTest(async ({ inject }) => {
            await ensureInspector();
            const workerDatabaseUrl = inject("workerDatabaseUrl");
            // Without them wrangler's reader of the configuration refuses the database and warns of missing secrets.
            Object.assign(process.env, TEST_WORKER_BINDINGS, {
              CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: workerDatabaseUrl,
              WRANGLER_LOG: "error",
            });
            return {
              wrangler: { configPath: "./wrangler.toml" },
              miniflare: { bindings: TEST_WORKER_BINDINGS, hyperdrives: { HYPERDRIVE: workerDatabaseUrl }, cf: false },
            };
          }),
        ],
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          // One workerd for all files: to start one, and to load the Worker into it, takes longer than most files do. Each test names
          // its sessions anew, and so has its own.
          isolate: false,
          setupFiles: ["test/support/worker-first-request.ts"],
          globalSetup: [
            "test/support/setup-postgres.ts",
            "test/support/setup-model.ts",
            "test/support/setup-webhook.ts",
          ],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1, shuffle: { tests: true } },
        },
      },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          // Services that tests start side by side share the cores with those that measure how long an append takes.
          maxConcurrency: 3,
          maxWorkers: WAITING_WORKERS,
          environment: "node",
          // As with the unit tests: each file would load the same modules anew.
          isolate: false,
          globalSetup: ["test/support/setup-service.ts", "test/support/setup-model.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2, shuffle: { tests: true } },
        },
      },
      {
        test: {
          name: "fuzz",
          include: ["test/fuzz/**/*.test.ts"],
          environment: "node",
          globalSetup: ["test/support/setup-postgres.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: WAITING_WORKERS,
          sequence: { groupOrder: 4, shuffle: { tests: true } },
        },
      },
      {
        test: {
          name: "crash",
          include: ["test/crash/**/*.test.ts"],
          environment: "node",
          globalSetup: ["test/support/setup-state.ts"],
          testTimeout: 240_000,
          hookTimeout: 120_000,
          maxWorkers: WAITING_WORKERS,
          sequence: { groupOrder: 2, shuffle: { tests: true } },
        },
      },
    ],
  },
});
