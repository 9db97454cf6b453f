export { digestOf } from "./digest.ts";
export { checkLogIntegrity, checkIntegrity, checkSourcesIntegrity, checkSummaryIntegrity } from "./integrity.ts";
export { maintain, reindex } from "./maintain.ts";
export type { MaintenanceResult, MaintenanceTask } from "./maintain.ts";
