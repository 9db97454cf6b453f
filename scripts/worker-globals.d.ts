// What modules of src/ call global types, for the programs and tests that run them in Node. The whole of workers-types would
// redefine URL, fetch and streams there.
import type {
  SqlStorage as WorkerSqlStorage,
  SqlStorageValue as WorkerSqlStorageValue,
} from "@cloudflare/workers-types";

declare global {
  type SqlStorage = WorkerSqlStorage;
  type SqlStorageValue = WorkerSqlStorageValue;
}
