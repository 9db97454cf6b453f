/**
 * Every variable and secret of a deployment, with its schema, its default and its meaning. The validation at start,
 * docs/configuration.md (`npm run configuration`) and `npm start -- --help` are made from this table. Bindings are
 * declared in wrangler.toml.
 */

import { z } from "zod";
import { TENANT_ID } from "../api/tenant.ts";
import { alertDigestVariable, alertSecretVariable, alertWebhookVariable } from "./alerts.ts";
import { hostsVariable } from "./hosts.ts";
import { issuersVariable } from "./issuers.ts";
import { logLevelVariable, logSampleVariable, shareVariable } from "./logging.ts";
import { originsVariable } from "./origins.ts";
import { safeUrlOrEmpty, price, secret, wholeNumber } from "./variable-kinds.ts";

export interface VariableFacts {
  /** What it sets, and which values it may have. In Markdown, on one line, without a full stop at the end. */
  readonly meaning: string;
  /** A secret is set with `wrangler secret put` and is never written to wrangler.toml. */
  readonly isSecret?: true;
  /** Its value under `npm start` if it is not set, where that differs from the default. */
  readonly local?: string;
  /** `npm start` generates its own value and ignores the environment. */
  readonly isMadeLocally?: true;
}

const variableFacts = z.registry<VariableFacts>();

/** Less than the lease of a job (`LEASE_MS`), so that a call has ended before another consumer may take the job. */
const MAX_SUMMARIZER_TIMEOUT_SECONDS = 120;

/** PostgreSQL refuses to delete younger audit events, whoever asks. */
const MIN_AUDIT_DAYS = 30;
const MAX_AUDIT_DAYS = 3_650;

/** `.prefault(…)` gives the default as it would be written in wrangler.toml. A variable without it must be set. */
export const VARIABLES = {
  THREADKEEP_API_KEY: secret("THREADKEEP_API_KEY").register(variableFacts, {
    meaning: "the application's key, at least 20 characters",
    isSecret: true,
    isMadeLocally: true,
  }),
  THREADKEEP_ADMIN_KEY: secret("THREADKEEP_ADMIN_KEY").register(variableFacts, {
    meaning:
      "the administrator's key, different from the application's: it can do all that the application can, and `/v1/admin/…`",
    isSecret: true,
    isMadeLocally: true,
  }),
  THREADKEEP_API_TENANT: z
    .string({
      error:
        'THREADKEEP_API_TENANT is missing: set it under [vars] in wrangler.toml, to "default" if nothing was chosen',
    })
    .regex(TENANT_ID, {
      error: "THREADKEEP_API_TENANT must be 1 to 63 characters of a-z 0-9 -: set it under [vars] in wrangler.toml",
    })
    .register(variableFacts, {
      meaning:
        "the tenant that `THREADKEEP_API_KEY` belongs to. Its name is part of the names of its sessions: if you change it, they can no longer be found",
      isMadeLocally: true,
    }),
  THREADKEEP_JWT_ISSUERS: issuersVariable.prefault("").register(variableFacts, {
    meaning:
      'the issuers whose user tokens are accepted, as JSON: `[{"issuer": "https://PROJECT.supabase.co/auth/v1", "tenant": "TENANT"}]`; empty: user tokens are not accepted. Optional in each: `audience` (default `authenticated`), `jwksUrl` (default: the issuer\'s `/.well-known/jwks.json`), `anonymousUsers` (default `false`) and `oauth` (`true`: clients of `/mcp` are sent there to sign in)',
    local: "the issuer of `npm run token`",
  }),
  THREADKEEP_HOSTS: hostsVariable.prefault("").register(variableFacts, {
    meaning: "the host names under which requests are accepted, without ports, separated by commas; empty: all",
    local: "the names of this machine",
  }),
  THREADKEEP_CORS_ORIGINS: originsVariable.prefault("").register(variableFacts, {
    meaning:
      "the origins whose pages may call the API from a browser, such as `https://app.example`, separated by commas; empty: none",
  }),
  THREADKEEP_RATE_LIMITS: z
    .enum(["on", "off"], { error: 'THREADKEEP_RATE_LIMITS must be "on" or "off", or left out, which is on' })
    .prefault("on")
    .register(variableFacts, {
      meaning: "`on` or `off`: whether the rate limits of `wrangler.toml`, and those of users, apply",
      local: "`off`",
    }),
  THREADKEEP_AUDIT_DAYS: wholeNumber(
    MIN_AUDIT_DAYS,
    MAX_AUDIT_DAYS,
    `THREADKEEP_AUDIT_DAYS must be a whole number of days from ${MIN_AUDIT_DAYS} to ${MAX_AUDIT_DAYS}, or left out for 400`,
  )
    // A year, and a month more to look back at it.
    .prefault("400")
    .register(variableFacts, {
      meaning: "how long audit events are kept, in days: 30 to 3650",
    }),
  THREADKEEP_LOG_LEVEL: logLevelVariable.prefault("info").register(variableFacts, {
    meaning: "the lowest level that is logged: `debug`, `info`, `warn` or `error`",
  }),
  THREADKEEP_LOG_SAMPLE: logSampleVariable.prefault("1").register(variableFacts, {
    meaning:
      "the share of requests whose entries below the level of a warning are logged, 0 to 1; all entries that one request causes are kept or dropped together",
  }),
  THREADKEEP_METRICS_SAMPLE: shareVariable("THREADKEEP_METRICS_SAMPLE").prefault("1").register(variableFacts, {
    meaning:
      "the share of operations that have a data point, 0 to 1; those that failed or took longer than a second always have one",
  }),
  THREADKEEP_ALERT_WEBHOOK: alertWebhookVariable.prefault("").register(variableFacts, {
    meaning:
      "the URL that receives alerts and digests: `https` (`http` on loopback); it may contain a token; empty: nobody is notified",
    isSecret: true,
  }),
  THREADKEEP_ALERT_SECRET: alertSecretVariable.prefault("").register(variableFacts, {
    meaning: "the secret that alerts and digests are signed with, at least 20 characters; required with the webhook",
    isSecret: true,
  }),
  THREADKEEP_ALERT_DIGEST: alertDigestVariable.prefault("on").register(variableFacts, {
    meaning: "`on` or `off`: whether the webhook gets a digest each hour",
  }),
  THREADKEEP_MODEL: z
    .string({ error: "THREADKEEP_MODEL must be text: set it under [vars] in wrangler.toml" })
    .regex(/^(?:extractive|workers-ai\/@\S+|openai-compatible\/\S+|anthropic\/\S+)$/, {
      error:
        'THREADKEEP_MODEL must be "extractive", "workers-ai/@cf/…", "openai-compatible/MODEL" or "anthropic/MODEL": set it under [vars] in wrangler.toml',
    })
    .prefault("extractive")
    .register(variableFacts, {
      meaning:
        "the model behind the built-in summarizer: `extractive` (none), `workers-ai/@cf/…` (not with `npm start`), `openai-compatible/MODEL` or `anthropic/MODEL`",
    }),
  THREADKEEP_MODEL_BASE_URL: safeUrlOrEmpty(
    "THREADKEEP_MODEL_BASE_URL must be an https URL without a user name, such as https://api.openai.com/v1, http on loopback alone, or empty",
  )
    .prefault("")
    .register(variableFacts, {
      meaning:
        "the base URL of an `openai-compatible` model, including `/v1`: `https` (`http` on loopback); with `anthropic`, a different address of the same API",
    }),
  THREADKEEP_MODEL_API_KEY: z
    .string({ error: "THREADKEEP_MODEL_API_KEY must be text" })
    .regex(/^[\x21-\x7e]*$/, {
      error:
        'THREADKEEP_MODEL_API_KEY holds spaces, line breaks or other characters that no key has: set it anew with "wrangler secret put THREADKEEP_MODEL_API_KEY"',
    })
    .prefault("")
    .register(variableFacts, {
      meaning: "the model's key; required by `anthropic`; if empty, `openai-compatible` is called without one",
      isSecret: true,
    }),
  THREADKEEP_MODEL_INPUT_PRICE: price("THREADKEEP_MODEL_INPUT_PRICE").prefault("").register(variableFacts, {
    meaning:
      "US dollars per million input tokens, such as `0.15`; with this and the next one, the cost of each summary is reported; empty: it is not",
  }),
  THREADKEEP_MODEL_OUTPUT_PRICE: price("THREADKEEP_MODEL_OUTPUT_PRICE").prefault("").register(variableFacts, {
    meaning: "US dollars per million output tokens",
  }),
  THREADKEEP_EMBEDDINGS: z
    .string({ error: "THREADKEEP_EMBEDDINGS must be text: set it under [vars] in wrangler.toml" })
    .regex(/^(?:off|workers-ai\/@\S+|openai-compatible\/\S+)$/, {
      error:
        'THREADKEEP_EMBEDDINGS must be "off", "workers-ai/@cf/…" or "openai-compatible/MODEL": set it under [vars] in wrangler.toml',
    })
    .prefault("off")
    .register(variableFacts, {
      meaning:
        "the model that makes vectors of what is said, so that retrieval also finds by meaning: `off`, `workers-ai/@cf/baai/bge-m3` (not with `npm start`) or `openai-compatible/MODEL`",
    }),
  THREADKEEP_EMBEDDINGS_BASE_URL: safeUrlOrEmpty(
    "THREADKEEP_EMBEDDINGS_BASE_URL must be an https URL without a user name, such as https://api.openai.com/v1, http on loopback alone, or empty",
  )
    .prefault("")
    .register(variableFacts, {
      meaning: "the base URL of `openai-compatible` embeddings, including `/v1`: `https` (`http` on loopback)",
    }),
  THREADKEEP_EMBEDDINGS_API_KEY: z
    .string({ error: "THREADKEEP_EMBEDDINGS_API_KEY must be text" })
    .regex(/^[\x21-\x7e]*$/, {
      error:
        'THREADKEEP_EMBEDDINGS_API_KEY holds spaces, line breaks or other characters that no key has: set it anew with "wrangler secret put THREADKEEP_EMBEDDINGS_API_KEY"',
    })
    .prefault("")
    .register(variableFacts, {
      meaning: "the key of `openai-compatible` embeddings; if empty, the server is called without one",
      isSecret: true,
    }),
  THREADKEEP_EMBEDDINGS_PRICE: price("THREADKEEP_EMBEDDINGS_PRICE").prefault("").register(variableFacts, {
    meaning: "US dollars per million embedded tokens, such as `0.02`; empty: their cost is not reported",
  }),
  SUMMARIZER_MCP_URL: safeUrlOrEmpty(
    "SUMMARIZER_MCP_URL must be an https URL without a user name, http on loopback alone, or empty for the built-in summarizer",
  )
    .prefault("")
    .register(variableFacts, {
      meaning:
        "the URL of another MCP server with the tool `summarize_conversation`, used instead of the built-in one: `https` (`http` on loopback); empty: the built-in one",
    }),
  SUMMARIZER_MCP_TOKEN: z
    .string({ error: 'SUMMARIZER_MCP_TOKEN must be text: set it with "wrangler secret put SUMMARIZER_MCP_TOKEN"' })
    .prefault("")
    .register(variableFacts, {
      meaning: "the bearer token for `SUMMARIZER_MCP_URL`; empty: none is sent",
      isSecret: true,
    }),
  SUMMARIZER_ENDPOINT: z
    .enum(["on", "off"], { error: 'SUMMARIZER_ENDPOINT must be "on" or "off", or left out, which is on' })
    .prefault("on")
    .register(variableFacts, {
      meaning:
        "`on` or `off`: whether the built-in summarizer accepts requests with the scope `summarizer` at `/agents/summarizer/mcp`; the service itself can always call it",
    }),
  SUMMARIZER_TIMEOUT_SECONDS: z.coerce
    .number({ error: timeoutFault() })
    .min(1, { error: timeoutFault() })
    .max(MAX_SUMMARIZER_TIMEOUT_SECONDS, { error: timeoutFault() })
    .prefault(String(MAX_SUMMARIZER_TIMEOUT_SECONDS))
    .register(variableFacts, { meaning: "the timeout of one call of the summarizer, in seconds: 1 to 120" }),
};

function timeoutFault(): string {
  return `SUMMARIZER_TIMEOUT_SECONDS must be a number from 1 to ${MAX_SUMMARIZER_TIMEOUT_SECONDS}, or left out`;
}

/** A row of the table, for documents and help texts. */
export interface VariableRow extends VariableFacts {
  readonly name: string;
  /** As it would be written in wrangler.toml; null: it must be set. */
  readonly default: string | null;
}

export function variableRows(): VariableRow[] {
  return Object.entries(VARIABLES).map(([name, schema]) => {
    const facts = variableFacts.get(schema);
    if (facts === undefined) throw new Error(`${name} lacks its facts: end its entry with .register(variableFacts, …)`);
    return { name, default: schema instanceof z.ZodPrefault ? String(schema.def.defaultValue) : null, ...facts };
  });
}
