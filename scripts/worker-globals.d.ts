// Types that modules of src/ use globally, for programs and tests that run them in Node. The whole of workers-types
// would redefine URL, fetch and streams there.
import type {
  SqlStorage as WorkerSqlStorage,
  SqlStorageCursor as WorkerSqlStorageCursor,
  SqlStorageValue as WorkerSqlStorageValue,
} from "@cloudflare/workers-types";

declare global {
  type SqlStorage = WorkerSqlStorage;
  type SqlStorageCursor<T extends Record<string, WorkerSqlStorageValue>> = WorkerSqlStorageCursor<T>;
  type SqlStorageValue = WorkerSqlStorageValue;
}
