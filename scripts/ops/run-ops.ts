// Runs operations, from the options to the exit code.
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { type OperationRun, operationRunSchema } from "../../src/api/operation-run.ts";
import { AdminFault, type AdminSend, createAdminSend } from "../keys/admin-api.ts";
import { adminTargetOf, type TargetEnvironment } from "../keys/admin-target.ts";
import { EXIT } from "../program/run-program.ts";
import type { Command, OpsOptions } from "./options.ts";
import { isWell, progressLine, tellRun, tellRuns } from "./tell-run.ts";

const RUNS = "/v1/admin/operations";
const PAGE_SIZE = 20;
const LOOK_AGAIN_MS = 1_000;

export interface OpsEnvironment extends TargetEnvironment {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Asks the person to confirm; null if there is no terminal. */
  readonly ask: ((question: string) => Promise<boolean>) | null;
}

/** Returns the exit code. */
export async function runOps(options: OpsOptions, environment: OpsEnvironment): Promise<number> {
  try {
    const send = createAdminSend(adminTargetOf(options.url, environment));
    return await perform(options, send, environment);
  } catch (error) {
    if (!(error instanceof AdminFault || error instanceof z.ZodError)) throw error;
    const strange = "The service answered, but not as Threadkeep does. Is --url right, and of this version?";
    environment.stderr.write(`${error instanceof AdminFault ? error.message : strange}\n`);
    return EXIT.failed;
  }
}

async function perform(options: OpsOptions, send: AdminSend, environment: OpsEnvironment): Promise<number> {
  const { command, isJson, waits } = options;
  const tell = (json: unknown, lines: readonly string[]): void => {
    const text = isJson ? JSON.stringify(json, null, 2) : lines.join("\n");
    environment.stdout.write(`${text}\n`);
  };
  if (command.do === "list") {
    const answer = await send("GET", `${RUNS}?limit=${PAGE_SIZE}`);
    const { data } = z.object({ data: z.array(operationRunSchema) }).parse(answer);
    tell(data, tellRuns(data));
    return EXIT.ok;
  }
  if (command.do === "show" || command.do === "cancel") {
    const method = command.do === "show" ? "GET" : "DELETE";
    const run = operationRunSchema.parse(await send(method, `${RUNS}/${encodeURIComponent(command.id)}`));
    const shown = waits ? await follow(run, send, environment) : run;
    tell(shown, tellRun(shown));
    return waits && !isWell(shown) ? EXIT.failed : EXIT.ok;
  }
  if (command.isGrave && !options.isSure && !(await isMeant(command, send, environment))) return EXIT.usage;
  const begun = operationRunSchema.parse(await send("POST", RUNS, command.body));
  const run = waits || command.isDryRun ? await follow(begun, send, environment) : begun;
  tell(run, tellRun(run));
  if (run.finishedAt === null) environment.stderr.write(`npm run ops -- show ${run.id} --wait follows it.\n`);
  return run.finishedAt !== null && !isWell(run) ? EXIT.failed : EXIT.ok;
}

/** Shows with a dry run what will be affected, and asks. */
async function isMeant(
  command: Extract<Command, { do: "start" }>,
  send: AdminSend,
  environment: OpsEnvironment,
): Promise<boolean> {
  const { id: _named, ...body } = command.body;
  const begun = operationRunSchema.parse(await send("POST", RUNS, { ...body, dryRun: true }));
  const tried = await follow(begun, send, environment);
  environment.stderr.write(`${tellRun(tried).join("\n")}\n`);
  if (tried.status !== "complete") return false;
  if (environment.ask === null) {
    environment.stderr.write(`Nothing was done. Give --yes to have ${command.op} done.\n`);
    return false;
  }
  const isYes = await environment.ask(`Have ${command.op} done?`);
  if (!isYes) environment.stderr.write("Nothing was done.\n");
  return isYes;
}

async function follow(begun: OperationRun, send: AdminSend, { stderr }: OpsEnvironment): Promise<OperationRun> {
  let run = begun;
  let told = "";
  while (run.finishedAt === null) {
    const line = progressLine(run);
    if (line !== told) stderr.write(`${line}\n`);
    told = line;
    await sleep(LOOK_AGAIN_MS);
    run = operationRunSchema.parse(await send("GET", `${RUNS}/${encodeURIComponent(run.id)}`));
  }
  return run;
}
