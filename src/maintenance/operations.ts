import type { OperationName } from "../api/operation-run.ts";
import { inPasses } from "./in-passes.ts";
import type { Operation } from "./operation.ts";
import { archive } from "./operations/archive.ts";
import { eraseLeftBehind } from "./operations/erase-left-behind.ts";
import { eraseUser } from "./operations/erase-user.ts";
import { expire } from "./operations/expire.ts";
import { exportUser } from "./operations/export-user.ts";
import { rebuild } from "./operations/rebuild.ts";
import { reindex } from "./operations/reindex.ts";
import { retry } from "./operations/retry.ts";
import { summarize } from "./operations/summarize.ts";
import { verify } from "./operations/verify.ts";

/** The operations by name. */
export const OPERATIONS: Readonly<Record<OperationName, Operation>> = {
  summarize,
  rebuild,
  retry,
  "erase-user": inPasses(() => [eraseLeftBehind, eraseUser]),
  "export-user": exportUser,
  expire,
  reindex,
  verify,
  archive,
};
