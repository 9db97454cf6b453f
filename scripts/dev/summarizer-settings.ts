/** What of an environment says who summarizes, and how it is reached. */
const NAMES = [
  "THREADKEEP_MODEL",
  "THREADKEEP_MODEL_BASE_URL",
  "THREADKEEP_MODEL_API_KEY",
  "THREADKEEP_MODEL_INPUT_PRICE",
  "THREADKEEP_MODEL_OUTPUT_PRICE",
  "SUMMARIZER_MCP_URL",
  "SUMMARIZER_MCP_TOKEN",
  "SUMMARIZER_TIMEOUT_SECONDS",
];

/** Given in the environment, they reach the Worker as they are. What is empty counts as not given. */
export function summarizerSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    NAMES.flatMap((name) => {
      const value = env[name];
      return value === undefined || value === "" ? [] : [[name, value]];
    }),
  );
}
