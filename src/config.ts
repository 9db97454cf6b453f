import type { Ai } from "@cloudflare/workers-types";
import { z } from "zod";
import { hostsVariable } from "./config/hosts.ts";
import { type IssuerConfig, issuersVariable } from "./config/issuers.ts";
import { logLevelVariable, logSampleVariable } from "./config/logging.ts";
import { originsVariable } from "./config/origins.ts";
import { TENANT_ID } from "./contracts/tenant.ts";

/** A key shorter than this can be guessed. */
const MIN_KEY_LENGTH = 20;

const secret = (name: string) =>
  z.string({ error: `${name} is missing: set it with "wrangler secret put ${name}"` }).min(MIN_KEY_LENGTH, {
    error: `${name} is too short: set ${MIN_KEY_LENGTH} random characters or more with "wrangler secret put ${name}"`,
  });

/** Credentials in a URL are no way to send a key: `fetch` refuses them. */
function isHttpUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "";
}

const httpUrlOrEmpty = (error: string) =>
  z
    .string()
    .refine((text) => text === "" || isHttpUrl(text), { error })
    .transform((text) => (text === "" ? "" : new URL(text).href));

/** Shorter than a job's lease, so that a call is over before another consumer may begin. */
const MAX_SUMMARIZER_TIMEOUT_SECONDS = 120;
const TIMEOUT_FAULT = `SUMMARIZER_TIMEOUT_SECONDS must be a number from 1 to ${MAX_SUMMARIZER_TIMEOUT_SECONDS}, or left out`;

/** What PostgreSQL refuses to drop, whoever asks. */
const MIN_AUDIT_DAYS = 30;
const MAX_AUDIT_DAYS = 3_650;
/** A year, and a month to look back at it. */
const DEFAULT_AUDIT_DAYS = 400;
const AUDIT_DAYS_FAULT = `THREADKEEP_AUDIT_DAYS must be a whole number of days from ${MIN_AUDIT_DAYS} to ${MAX_AUDIT_DAYS}, or left out for ${DEFAULT_AUDIT_DAYS}`;

const configSchema = z
  .object({
    THREADKEEP_API_KEY: secret("THREADKEEP_API_KEY"),
    THREADKEEP_ADMIN_KEY: secret("THREADKEEP_ADMIN_KEY"),
    THREADKEEP_API_TENANT: z.string().regex(TENANT_ID, {
      error: "THREADKEEP_API_TENANT must be 1 to 63 characters of a-z 0-9 -: set it under [vars] in wrangler.toml",
    }),
    SUMMARIZER_MCP_URL: httpUrlOrEmpty(
      "SUMMARIZER_MCP_URL must be an http or https URL, or empty for the built-in summarizer",
    ),
    SUMMARIZER_MCP_TOKEN: z.string().optional(),
    SUMMARIZER_TIMEOUT_SECONDS: z.coerce
      .number({ error: TIMEOUT_FAULT })
      .min(1, { error: TIMEOUT_FAULT })
      .max(MAX_SUMMARIZER_TIMEOUT_SECONDS, { error: TIMEOUT_FAULT })
      .default(MAX_SUMMARIZER_TIMEOUT_SECONDS),
    THREADKEEP_JWT_ISSUERS: issuersVariable,
    THREADKEEP_HOSTS: hostsVariable,
    THREADKEEP_CORS_ORIGINS: originsVariable,
    THREADKEEP_RATE_LIMITS: z
      .enum(["on", "off"], { error: 'THREADKEEP_RATE_LIMITS must be "on" or "off", or left out, which is on' })
      .default("on"),
    THREADKEEP_LOG_LEVEL: logLevelVariable,
    THREADKEEP_LOG_SAMPLE: logSampleVariable,
    THREADKEEP_AUDIT_DAYS: z.coerce
      .number({ error: AUDIT_DAYS_FAULT })
      .int({ error: AUDIT_DAYS_FAULT })
      .min(MIN_AUDIT_DAYS, { error: AUDIT_DAYS_FAULT })
      .max(MAX_AUDIT_DAYS, { error: AUDIT_DAYS_FAULT })
      .default(DEFAULT_AUDIT_DAYS),
  })
  .refine((env) => env.THREADKEEP_API_KEY !== env.THREADKEEP_ADMIN_KEY, {
    error: "THREADKEEP_ADMIN_KEY must not be the same as THREADKEEP_API_KEY: set another one",
  });

/** Up to 9,999.999999 US dollars per million tokens: dearer than any model. */
const PRICE = /^(?:\d{1,4}(?:\.\d{1,6})?)?$/;

const price = (name: string) =>
  z.coerce
    .string()
    .regex(PRICE, { error: `${name} must be US dollars per million tokens, such as 0.15, or empty` })
    .transform((text) => (text === "" ? null : Number(text)))
    .default(null);

const modelSchema = z.object({
  THREADKEEP_MODEL: z.string().regex(/^(?:extractive|workers-ai\/@\S+|openai-compatible\/\S+|anthropic\/\S+)$/, {
    error:
      'THREADKEEP_MODEL must be "extractive", "workers-ai/@cf/…", "openai-compatible/MODEL" or "anthropic/MODEL": set it under [vars] in wrangler.toml',
  }),
  THREADKEEP_MODEL_BASE_URL: httpUrlOrEmpty(
    "THREADKEEP_MODEL_BASE_URL must be an http or https URL without a user name, such as https://api.openai.com/v1, or empty",
  ).default(""),
  THREADKEEP_MODEL_API_KEY: z
    .string()
    .regex(/^[\x21-\x7e]*$/, {
      error:
        'THREADKEEP_MODEL_API_KEY holds spaces, line breaks or other characters that no key has: set it anew with "wrangler secret put THREADKEEP_MODEL_API_KEY"',
    })
    .default(""),
  THREADKEEP_MODEL_INPUT_PRICE: price("THREADKEEP_MODEL_INPUT_PRICE"),
  THREADKEEP_MODEL_OUTPUT_PRICE: price("THREADKEEP_MODEL_OUTPUT_PRICE"),
  AI: z
    .custom<Ai>((binding) => typeof binding === "object" && binding !== null && "run" in binding, {
      error: 'AI is no Workers AI binding: under [env.….ai] in wrangler.toml, set binding = "AI"',
    })
    .optional(),
});
type ModelVariables = z.infer<typeof modelSchema>;

/** What stands behind the built-in summarizer. */
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

/** What the deployment is set to, checked. */
export interface Config {
  readonly tenant: string;
  readonly apiKey: string;
  readonly adminKey: string;
  /** Whose tokens of users are believed. */
  readonly issuers: readonly IssuerConfig[];
  /** The names that requests may come by; empty: any. */
  readonly hosts: readonly string[];
  /** Origins whose scripts may call the API. */
  readonly corsOrigins: readonly string[];
  /** Whether requests are counted at the edge. */
  readonly hasRateLimits: boolean;
  /** How long events of the audit are kept, in days. */
  readonly auditDays: number;
  readonly model: ModelConfig;
  /** Another MCP server that summarizes; null for the built-in one. */
  readonly summarizer: {
    readonly url: string;
    readonly token?: string;
    readonly fetch: (request: Request) => Promise<Response>;
  } | null;
  /** For one call of a summarizer, whichever it is. */
  readonly summarizerTimeoutMs: number;
}

/** The setting, or what it lacks. */
function modelOf(variables: ModelVariables): { model: ModelConfig } | { fault: string } {
  const {
    THREADKEEP_MODEL: name,
    THREADKEEP_MODEL_API_KEY: apiKey,
    THREADKEEP_MODEL_BASE_URL: baseUrl,
    AI,
  } = variables;
  const { THREADKEEP_MODEL_INPUT_PRICE: input, THREADKEEP_MODEL_OUTPUT_PRICE: output } = variables;
  if ((input === null) !== (output === null)) {
    return {
      fault: "THREADKEEP_MODEL_INPUT_PRICE and THREADKEEP_MODEL_OUTPUT_PRICE belong together: set both or none",
    };
  }
  const slash = name.indexOf("/");
  const model = name.slice(slash + 1);
  const prices = input === null || output === null ? null : { input, output };
  switch (name.slice(0, Math.max(0, slash))) {
    case "workers-ai":
      return AI === undefined
        ? {
            fault: `THREADKEEP_MODEL is ${name}, but the binding AI is missing: it exists on Cloudflare alone, under [env.….ai] in wrangler.toml`,
          }
        : { model: { provider: "workers-ai", model, prices, binding: AI } };
    case "openai-compatible":
      return baseUrl === ""
        ? {
            fault: `THREADKEEP_MODEL is ${name}, but THREADKEEP_MODEL_BASE_URL is missing: set the server's address, such as https://api.openai.com/v1 or http://127.0.0.1:11434/v1`,
          }
        : {
            model: { provider: "openai-compatible", model, prices, baseUrl, ...(apiKey === "" ? {} : { apiKey }) },
          };
    case "anthropic":
      return apiKey === ""
        ? {
            fault: `THREADKEEP_MODEL is ${name}, but THREADKEEP_MODEL_API_KEY is missing: set it with "wrangler secret put THREADKEEP_MODEL_API_KEY"`,
          }
        : { model: { provider: "anthropic", model, prices, apiKey, ...(baseUrl === "" ? {} : { baseUrl }) } };
    default:
      return { model: { provider: "extractive" } };
  }
}

/** Reads variables and secrets once. One error names all that is wrong, and how to mend it. */
export function parseConfig(env: Readonly<Record<string, unknown>>): Config {
  const parsed = configSchema.safeParse({
    ...env,
    SUMMARIZER_MCP_URL: env["SUMMARIZER_MCP_URL"] ?? "",
  });
  const variables = modelSchema.safeParse(env);
  const chosen = variables.success ? modelOf(variables.data) : null;
  if (!parsed.success || chosen === null || "fault" in chosen) {
    const issues = [...(parsed.error?.issues ?? []), ...(variables.error?.issues ?? [])];
    const faults = [
      ...issues.map(({ message }) => message),
      ...(chosen !== null && "fault" in chosen ? [chosen.fault] : []),
    ];
    throw new Error(`The configuration has faults:\n${faults.map((fault) => `- ${fault}`).join("\n")}`);
  }
  const { data } = parsed;
  return {
    tenant: data.THREADKEEP_API_TENANT,
    apiKey: data.THREADKEEP_API_KEY,
    adminKey: data.THREADKEEP_ADMIN_KEY,
    issuers: data.THREADKEEP_JWT_ISSUERS,
    hosts: data.THREADKEEP_HOSTS,
    corsOrigins: data.THREADKEEP_CORS_ORIGINS,
    hasRateLimits: data.THREADKEEP_RATE_LIMITS === "on",
    auditDays: data.THREADKEEP_AUDIT_DAYS,
    model: chosen.model,
    summarizerTimeoutMs: data.SUMMARIZER_TIMEOUT_SECONDS * 1_000,
    summarizer:
      data.SUMMARIZER_MCP_URL === ""
        ? null
        : {
            url: data.SUMMARIZER_MCP_URL,
            fetch: (request) => fetch(request),
            ...(data.SUMMARIZER_MCP_TOKEN === undefined || data.SUMMARIZER_MCP_TOKEN === ""
              ? {}
              : { token: data.SUMMARIZER_MCP_TOKEN }),
          },
  };
}
