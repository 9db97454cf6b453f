import { z } from "zod";
import { type AlertConfig, alertFaults } from "./alerts.ts";
import { type EmbeddingsConfig, embeddingsOf } from "./embeddings.ts";
import type { IssuerConfig } from "./issuers.ts";
import { type ModelConfig, modelOf } from "./model.ts";
import { unknownVariables } from "./unknown-variables.ts";
import { VARIABLES } from "./variables.ts";

/** The validated configuration of the deployment. */
export interface Config {
  readonly tenant: string;
  readonly apiKey: string;
  readonly adminKey: string;
  /** The issuers whose user tokens are accepted. */
  readonly issuers: readonly IssuerConfig[];
  /** The host names under which requests are accepted. Empty: all. */
  readonly hosts: readonly string[];
  /** Origins whose pages may call the API. */
  readonly corsOrigins: readonly string[];
  /** Whether rate limits apply. */
  readonly hasRateLimits: boolean;
  /** How many days audit events are kept. */
  readonly auditDays: number;
  /** The share of operations that have a data point, 0 to 1. */
  readonly metricsShare: number;
  /** Where alerts are sent. */
  readonly alerts: AlertConfig;
  readonly model: ModelConfig;
  /** The model that makes vectors of texts; null: embeddings are off. */
  readonly embeddings: EmbeddingsConfig | null;
  /** An MCP server that summarizes instead of the built-in summarizer; null: the built-in one. */
  readonly summarizer: {
    readonly url: string;
    readonly token?: string;
    readonly fetch: (request: Request) => Promise<Response>;
  } | null;
  /** Whether the built-in summarizer accepts requests from outside the service. */
  readonly hasSummarizerEndpoint: boolean;
  /** The timeout of one call of a summarizer, built-in or not. */
  readonly summarizerTimeoutMs: number;
}

/**
 * All faults of a deployment's variables: one line each, which names the variable and how to fix it, without any
 * secret.
 */
export class ConfigError extends Error {
  override name = "ConfigError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The configuration has faults:\n${faults.map((fault) => `- ${fault}`).join("\n")}`);
    this.faults = faults;
  }
}

const variablesSchema = z.object(VARIABLES);

type Environment = Readonly<Record<string, unknown>>;

/**
 * Validates the variables and secrets.
 * @throws {ConfigError} with all faults
 */
export function parseConfig(env: Environment): Config {
  const parsed = variablesSchema.safeParse(env);
  const { model, faults: modelFaults } = modelOf(env);
  const { embeddings, faults: embeddingFaults } = embeddingsOf(env);
  const faults = [
    ...(parsed.error?.issues ?? []).map(({ message }) => message),
    ...modelFaults,
    ...embeddingFaults,
    ...sharedKeyFaults(env),
    ...alertFaults(env),
    ...unknownVariables(Object.keys(env)),
  ];
  if (!parsed.success || model === undefined || embeddings === undefined || faults.length > 0) {
    throw new ConfigError(faults);
  }
  const { data } = parsed;
  const { THREADKEEP_ALERT_WEBHOOK: webhook, THREADKEEP_ALERT_SECRET: webhookSecret } = data;
  const { SUMMARIZER_MCP_URL: url, SUMMARIZER_MCP_TOKEN: token } = data;
  return {
    tenant: data.THREADKEEP_API_TENANT,
    apiKey: data.THREADKEEP_API_KEY,
    adminKey: data.THREADKEEP_ADMIN_KEY,
    issuers: data.THREADKEEP_JWT_ISSUERS,
    hosts: data.THREADKEEP_HOSTS,
    corsOrigins: data.THREADKEEP_CORS_ORIGINS,
    hasRateLimits: data.THREADKEEP_RATE_LIMITS === "on",
    auditDays: data.THREADKEEP_AUDIT_DAYS,
    metricsShare: data.THREADKEEP_METRICS_SAMPLE,
    alerts: {
      webhook: webhook === "" ? null : { url: webhook, secret: webhookSecret },
      hasDigest: data.THREADKEEP_ALERT_DIGEST === "on",
    },
    model,
    embeddings,
    hasSummarizerEndpoint: data.SUMMARIZER_ENDPOINT === "on",
    summarizerTimeoutMs: data.SUMMARIZER_TIMEOUT_SECONDS * 1_000,
    summarizer: url === "" ? null : { url, fetch: (request) => fetch(request), ...(token === "" ? {} : { token }) },
  };
}

function sharedKeyFaults(env: Environment): string[] {
  const key = env["THREADKEEP_ADMIN_KEY"];
  return key !== undefined && key === env["THREADKEEP_API_KEY"]
    ? ["THREADKEEP_ADMIN_KEY must not be the same as THREADKEEP_API_KEY: set another one"]
    : [];
}
