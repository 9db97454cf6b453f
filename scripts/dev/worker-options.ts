// Reads wrangler.toml as wrangler does, and writes what Miniflare needs as JSON to the file in the first argument. A
// separate program, because loading wrangler takes a second and 200 MB, which the process that runs workerd should not
// need.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from "wrangler";
import { projectRoot } from "./paths.ts";
import { HYPERDRIVE_BINDING, type WorkerOptionsFile } from "./worker-messages.ts";

const [file = ""] = process.argv.slice(2);

// Wrangler refuses the binding without an address; the process that runs workerd knows the real one.
process.env[`CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_${HYPERDRIVE_BINDING}`] = "postgres://u:p@127.0.0.1:1/none";
const { workerOptions, externalWorkers } = readWorkerOptions(path.join(projectRoot, "wrangler.toml"));
// The inspector's files are bound as a folder: see worker-host.ts.
const { modulesRules: _rules, assets: _assets, ...options } = workerOptions;
const content: WorkerOptionsFile = { options, externalWorkers };
// It may contain values of .dev.vars.
writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
