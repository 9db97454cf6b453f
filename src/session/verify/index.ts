export { digestOf } from "./digest.ts";
export { proveLog, proveSession, proveSources, proveSummary } from "./integrity.ts";
export { maintain, reindex } from "./maintain.ts";
export type { MaintenanceResult, MaintenanceTask } from "./maintain.ts";
