/** What of an environment is a setting of the Worker: who summarizes and how it is reached, and who is let in. */
const NAMES = [
  "THREADKEEP_MODEL",
  "THREADKEEP_MODEL_BASE_URL",
  "THREADKEEP_MODEL_API_KEY",
  "THREADKEEP_MODEL_INPUT_PRICE",
  "THREADKEEP_MODEL_OUTPUT_PRICE",
  "SUMMARIZER_MCP_URL",
  "SUMMARIZER_MCP_TOKEN",
  "SUMMARIZER_TIMEOUT_SECONDS",
  "THREADKEEP_JWT_ISSUERS",
  "THREADKEEP_RATE_LIMITS",
  "THREADKEEP_HOSTS",
  "THREADKEEP_CORS_ORIGINS",
  "THREADKEEP_ALERT_WEBHOOK",
  "THREADKEEP_ALERT_SECRET",
  "THREADKEEP_ALERT_DIGEST",
];

/** Given in the environment, they reach the Worker as they are. What is empty counts as not given. */
export function workerSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
