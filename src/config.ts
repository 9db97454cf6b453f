import { z } from "zod";
import { TENANT_ID } from "./contracts/tenant.ts";

/** A key shorter than this can be guessed. */
const MIN_KEY_LENGTH = 20;

const secret = (name: string) =>
  z.string({ error: `${name} is missing: set it with "wrangler secret put ${name}"` }).min(MIN_KEY_LENGTH, {
    error: `${name} is too short: set ${MIN_KEY_LENGTH} random characters or more with "wrangler secret put ${name}"`,
  });

const configSchema = z
  .object({
    THREADKEEP_API_KEY: secret("THREADKEEP_API_KEY"),
    THREADKEEP_ADMIN_KEY: secret("THREADKEEP_ADMIN_KEY"),
    THREADKEEP_API_TENANT: z.string().regex(TENANT_ID, {
      error: "THREADKEEP_API_TENANT must be 1 to 63 characters of a-z 0-9 -: set it under [vars] in wrangler.toml",
    }),
    THREADKEEP_MODEL: z.literal("extractive", {
      error:
        'THREADKEEP_MODEL must be "extractive": for a model, point SUMMARIZER_MCP_URL at an MCP server that has one behind the tool summarize_conversation',
    }),
    SUMMARIZER_MCP_URL: z.union(
      [z.literal(""), z.url({ protocol: /^https?$/ }).transform((url) => new URL(url).href)],
      {
        error: "SUMMARIZER_MCP_URL must be an http or https URL, or empty for the built-in summarizer",
      },
    ),
    SUMMARIZER_MCP_TOKEN: z.string().optional(),
  })
  .refine((env) => env.THREADKEEP_API_KEY !== env.THREADKEEP_ADMIN_KEY, {
    error: "THREADKEEP_ADMIN_KEY must not be the same as THREADKEEP_API_KEY: set another one",
  });

/** What the deployment is set to, checked. */
export interface Config {
  readonly tenant: string;
  readonly apiKey: string;
  readonly adminKey: string;
  /** Another MCP server that summarizes; null for the built-in one. */
  readonly summarizer: {
    readonly url: string;
    readonly token?: string;
    readonly fetch: (request: Request) => Promise<Response>;
  } | null;
}

/** Reads variables and secrets once. One error names all that is wrong, and how to mend it. */
export function parseConfig(env: Readonly<Record<string, unknown>>): Config {
  const parsed = configSchema.safeParse({
    ...env,
    SUMMARIZER_MCP_URL: env["SUMMARIZER_MCP_URL"] ?? "",
  });
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `- ${issue.message}`);
    throw new Error(`The configuration has faults:\n${faults.join("\n")}`);
  }
  const { data } = parsed;
  return {
    tenant: data.THREADKEEP_API_TENANT,
    apiKey: data.THREADKEEP_API_KEY,
    adminKey: data.THREADKEEP_ADMIN_KEY,
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
