import type { Mutant } from "../../tools/mutants/mutant.ts";
import { ACCESS_MUTANTS } from "./access.ts";
import { API_MUTANTS } from "./api.ts";
import { ARCHIVE_MUTANTS } from "./archive.ts";
import { CLIENT_MUTANTS } from "./client.ts";
import { CONFIG_MUTANTS } from "./config.ts";
import { EMBEDDER_MUTANTS } from "./embedder.ts";
import { HTTP_MUTANTS } from "./http.ts";
import { IMPORT_MUTANTS } from "./import.ts";
import { JOB_MUTANTS } from "./jobs.ts";
import { MAINTENANCE_MUTANTS } from "./maintenance.ts";
import { MCP_MUTANTS } from "./mcp.ts";
import { PIPELINE_MUTANTS } from "./pipeline.ts";
import { PROMPT_MUTANTS } from "./prompt.ts";
import { RPC_MUTANTS } from "./rpc.ts";
import { SESSION_MUTANTS } from "./session.ts";
import { SMALL_OBJECT_MUTANTS } from "./small-objects.ts";
import { SUMMARIZER_MUTANTS } from "./summarizer.ts";
import { TELEMETRY_MUTANTS } from "./telemetry.ts";
import { TRANSACTION_MUTANTS } from "./transactions.ts";
import { USECASE_MUTANTS } from "./usecases.ts";

/** Bugs that tests must notice, in one file for each room of the source. `npm run mutants` plants them one at a time. */
export const MUTANTS: readonly Mutant[] = [
  ...ACCESS_MUTANTS,
  ...ARCHIVE_MUTANTS,
  ...CLIENT_MUTANTS,
  ...CONFIG_MUTANTS,
  ...API_MUTANTS,
  ...EMBEDDER_MUTANTS,
  ...HTTP_MUTANTS,
  ...IMPORT_MUTANTS,
  ...JOB_MUTANTS,
  ...MAINTENANCE_MUTANTS,
  ...MCP_MUTANTS,
  ...PROMPT_MUTANTS,
  ...PIPELINE_MUTANTS,
  ...SMALL_OBJECT_MUTANTS,
  ...RPC_MUTANTS,
  ...USECASE_MUTANTS,
  ...SESSION_MUTANTS,
  ...SUMMARIZER_MUTANTS,
  ...TELEMETRY_MUTANTS,
  ...TRANSACTION_MUTANTS,
];
