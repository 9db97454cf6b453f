/** The embeddings model, from the variables that belong together. */

import type { Ai } from "@cloudflare/workers-types";
import { isWorkersAi } from "./model.ts";
import { VARIABLES } from "./variables.ts";

export type EmbeddingsConfig = {
  /** The value of THREADKEEP_EMBEDDINGS, including the provider. Only vectors with the same name can be compared. */
  readonly name: string;
  readonly model: string;
  /** US dollars per million tokens; null if it is not set. */
  readonly price: number | null;
} & (
  | { readonly provider: "workers-ai"; readonly binding: Ai }
  | { readonly provider: "openai-compatible"; readonly baseUrl: string; readonly apiKey?: string }
);

type Environment = Readonly<Record<string, unknown>>;

/**
 * Reads the variables of embeddings. `embeddings` is null if they are off. `faults` holds only the faults of the
 * variables in combination: if a single variable is invalid, `parseConfig` reports that, and here `embeddings` is
 * undefined without a fault.
 */
export function embeddingsOf(env: Environment): { embeddings?: EmbeddingsConfig | null; faults: string[] } {
  const name = VARIABLES.THREADKEEP_EMBEDDINGS.safeParse(env["THREADKEEP_EMBEDDINGS"]).data;
  const baseUrl = VARIABLES.THREADKEEP_EMBEDDINGS_BASE_URL.safeParse(env["THREADKEEP_EMBEDDINGS_BASE_URL"]).data;
  const apiKey = VARIABLES.THREADKEEP_EMBEDDINGS_API_KEY.safeParse(env["THREADKEEP_EMBEDDINGS_API_KEY"]).data;
  const price = VARIABLES.THREADKEEP_EMBEDDINGS_PRICE.safeParse(env["THREADKEEP_EMBEDDINGS_PRICE"]).data;
  if (name === "off") return { embeddings: null, faults: [] };
  if (name === undefined || price === undefined) return { faults: [] };
  const slash = name.indexOf("/");
  const plain = { name, model: name.slice(slash + 1), price };
  if (name.startsWith("workers-ai/")) {
    const binding = env["AI"];
    return isWorkersAi(binding)
      ? { embeddings: { provider: "workers-ai", ...plain, binding }, faults: [] }
      : { faults: [bindingFault(name)] };
  }
  if (baseUrl === undefined || apiKey === undefined) return { faults: [] };
  if (baseUrl === "") return { faults: [baseUrlFault(name)] };
  const reached = { baseUrl, ...(apiKey === "" ? {} : { apiKey }) };
  return { embeddings: { provider: "openai-compatible", ...plain, ...reached }, faults: [] };
}

function bindingFault(name: string): string {
  return `THREADKEEP_EMBEDDINGS is ${name}, but there is no Workers AI binding AI: it exists on Cloudflare alone, under [env.….ai] in wrangler.toml, with binding = "AI"`;
}

function baseUrlFault(name: string): string {
  return `THREADKEEP_EMBEDDINGS is ${name}, but THREADKEEP_EMBEDDINGS_BASE_URL is missing: set the server's address, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1`;
}
