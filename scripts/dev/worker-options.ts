// Reads wrangler.toml as wrangler does and writes what Miniflare needs of it as JSON, to the file named by the first argument.
// A program of its own: loading wrangler takes a second and 200 MB, which the process that runs workerd is spared.
import { writeFileSync } from "node:fs";
import path from "node:path";
import { unstable_getMiniflareWorkerOptions as readWorkerOptions } from "wrangler";
import { projectRoot } from "./paths.ts";
import { HYPERDRIVE_BINDING, type WorkerOptionsFile } from "./worker-messages.ts";

const [file = ""] = process.argv.slice(2);

// Wrangler refuses the binding without an address; the real one is known to the process that runs workerd.
process.env[`CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_${HYPERDRIVE_BINDING}`] = "postgres://u:p@127.0.0.1:1/none";
const { workerOptions, externalWorkers } = readWorkerOptions(path.join(projectRoot, "wrangler.toml"));
// The inspector's files come by a binding to their folder: see worker-host.ts.
const { modulesRules: _rules, assets: _assets, ...options } = workerOptions;
const content: WorkerOptionsFile = { options, externalWorkers };
// Values of .dev.vars stand in it.
writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
