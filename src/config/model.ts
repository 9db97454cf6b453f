/** The model behind the built-in summarizer, from the variables that belong together. */

import type { Ai } from "@cloudflare/workers-types";
import { VARIABLES } from "./variables.ts";

export type ModelConfig =
  | { readonly provider: "extractive" }
  | ({
      readonly model: string;
      /** US dollars per million tokens; null if they are not set. */
      readonly prices: { readonly input: number; readonly output: number } | null;
    } & (
      | { readonly provider: "workers-ai"; readonly binding: Ai }
      | { readonly provider: "openai-compatible"; readonly baseUrl: string; readonly apiKey?: string }
      | { readonly provider: "anthropic"; readonly apiKey: string; readonly baseUrl?: string }
    ));

type Environment = Readonly<Record<string, unknown>>;

/**
 * Reads the variables of the model. `faults` holds only the faults of the variables in combination: if a single
 * variable is invalid, `parseConfig` reports that, and here `model` is undefined without a fault.
 */
export function modelOf(env: Environment): { model?: ModelConfig; faults: string[] } {
  const name = VARIABLES.THREADKEEP_MODEL.safeParse(env["THREADKEEP_MODEL"]).data;
  const baseUrl = VARIABLES.THREADKEEP_MODEL_BASE_URL.safeParse(env["THREADKEEP_MODEL_BASE_URL"]).data;
  const apiKey = VARIABLES.THREADKEEP_MODEL_API_KEY.safeParse(env["THREADKEEP_MODEL_API_KEY"]).data;
  const binding = env["AI"];
  const { prices, fault } = pricesOf(env);
  const faults = fault === null ? [] : [fault];
  if (name === undefined) return { faults };
  const slash = name.indexOf("/");
  const model = name.slice(slash + 1);
  const plain = { model, prices };
  switch (name.slice(0, Math.max(0, slash))) {
    case "workers-ai":
      return isWorkersAi(binding)
        ? { model: { provider: "workers-ai", ...plain, binding }, faults }
        : { faults: [...faults, bindingFault(name, binding)] };
    case "openai-compatible":
      if (baseUrl === undefined || apiKey === undefined) return { faults };
      return baseUrl === ""
        ? { faults: [...faults, baseUrlFault(name)] }
        : {
            model: { provider: "openai-compatible", ...plain, baseUrl, ...(apiKey === "" ? {} : { apiKey }) },
            faults,
          };
    case "anthropic":
      if (baseUrl === undefined || apiKey === undefined) return { faults };
      return apiKey === ""
        ? { faults: [...faults, apiKeyFault(name)] }
        : { model: { provider: "anthropic", ...plain, apiKey, ...(baseUrl === "" ? {} : { baseUrl }) }, faults };
    default:
      return { model: { provider: "extractive" }, faults };
  }
}

function pricesOf(env: Environment) {
  const input = VARIABLES.THREADKEEP_MODEL_INPUT_PRICE.safeParse(env["THREADKEEP_MODEL_INPUT_PRICE"]).data;
  const output = VARIABLES.THREADKEEP_MODEL_OUTPUT_PRICE.safeParse(env["THREADKEEP_MODEL_OUTPUT_PRICE"]).data;
  if (input === undefined || output === undefined) return { prices: null, fault: null };
  if (input !== null && output !== null) return { prices: { input, output }, fault: null };
  return {
    prices: null,
    fault:
      input === output
        ? null
        : "THREADKEEP_MODEL_INPUT_PRICE and THREADKEEP_MODEL_OUTPUT_PRICE belong together: set both or none",
  };
}

export function isWorkersAi(binding: unknown): binding is Ai {
  return typeof binding === "object" && binding !== null && "run" in binding;
}

function bindingFault(name: string, binding: unknown): string {
  return binding === undefined
    ? `THREADKEEP_MODEL is ${name}, but the binding AI is missing: it exists on Cloudflare alone, under [env.….ai] in wrangler.toml`
    : 'AI is no Workers AI binding: under [env.….ai] in wrangler.toml, set binding = "AI"';
}

function baseUrlFault(name: string): string {
  return `THREADKEEP_MODEL is ${name}, but THREADKEEP_MODEL_BASE_URL is missing: set the server's address, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1`;
}

function apiKeyFault(name: string): string {
  return `THREADKEEP_MODEL is ${name}, but THREADKEEP_MODEL_API_KEY is missing: set it with "wrangler secret put THREADKEEP_MODEL_API_KEY"`;
}
