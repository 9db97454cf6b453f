import { describe, expect, test } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { VARIABLES } from "../../src/config/variables.ts";

const PLAIN = {
  THREADKEEP_API_KEY: "tk_0123456789abcdefghij",
  THREADKEEP_ADMIN_KEY: "tk_admin_0123456789abcdefghij",
  THREADKEEP_API_TENANT: "default",
  THREADKEEP_MODEL: "extractive",
};
const MODEL_KEY = "sk-0123456789";
const BASE_URL = "http://127.0.0.1:11434/v1";
const BINDING = { run: async () => ({}) };

function modelOf(env: Record<string, unknown>) {
  return parseConfig({ ...PLAIN, ...env }).model;
}

function faultsOf(env: Record<string, unknown>): string[] {
  return messageOf({ ...PLAIN, ...env })
    .split("\n- ")
    .slice(1);
}

/** Empty if there is no fault. */
function messageOf(env: Record<string, unknown>): string {
  try {
    parseConfig(env);
  } catch (error) {
    if (error instanceof Error) return error.message;
  }
  return "";
}

describe("the configured model", () => {
  test("is by default the extractive summarizer, which needs nothing else", () => {
    expect(modelOf({})).toEqual({ provider: "extractive" });
  });

  test("is on Workers AI, with the binding", () => {
    const name = "@cf/meta/llama-3.3-70b-instruct-fp8-fast";
    expect(modelOf({ THREADKEEP_MODEL: `workers-ai/${name}`, AI: BINDING })).toEqual({
      provider: "workers-ai",
      model: name,
      binding: BINDING,
      prices: null,
    });
  });

  test("is on any server with OpenAI's API, with or without a key; its name may contain slashes", () => {
    const env = { THREADKEEP_MODEL: "openai-compatible/meta-llama/Llama-4", THREADKEEP_MODEL_BASE_URL: BASE_URL };
    const model = { provider: "openai-compatible", model: "meta-llama/Llama-4", baseUrl: BASE_URL, prices: null };
    expect(modelOf(env)).toEqual(model);
    expect(modelOf({ ...env, THREADKEEP_MODEL_API_KEY: MODEL_KEY })).toEqual({ ...model, apiKey: MODEL_KEY });
  });

  test("is Anthropic's, with a key, and optionally at another address", () => {
    const env = { THREADKEEP_MODEL: "anthropic/claude-haiku-4-5", THREADKEEP_MODEL_API_KEY: MODEL_KEY };
    const model = { provider: "anthropic", model: "claude-haiku-4-5", apiKey: MODEL_KEY, prices: null };
    expect(modelOf(env)).toEqual(model);
    expect(modelOf({ ...env, THREADKEEP_MODEL_BASE_URL: BASE_URL })).toEqual({ ...model, baseUrl: BASE_URL });
  });

  test("has prices if both are set; empty variables count as unset", () => {
    const env = { THREADKEEP_MODEL: "anthropic/m", THREADKEEP_MODEL_API_KEY: MODEL_KEY };
    const prices = { THREADKEEP_MODEL_INPUT_PRICE: "0.25", THREADKEEP_MODEL_OUTPUT_PRICE: "2" };
    expect(modelOf({ ...env, ...prices })).toMatchObject({ prices: { input: 0.25, output: 2 } });
    const none = { THREADKEEP_MODEL_INPUT_PRICE: "", THREADKEEP_MODEL_OUTPUT_PRICE: "" };
    expect(modelOf({ ...env, ...none, THREADKEEP_MODEL_BASE_URL: "" })).toMatchObject({ prices: null });
  });
});

describe("the configured embeddings", () => {
  const embeddingsOf = (env: Record<string, unknown>) => parseConfig({ ...PLAIN, ...env }).embeddings;

  test("are off by default", () => {
    expect(embeddingsOf({})).toBeNull();
    expect(embeddingsOf({ THREADKEEP_EMBEDDINGS: "off", THREADKEEP_EMBEDDINGS_BASE_URL: BASE_URL })).toBeNull();
  });

  test("are on Workers AI, with the binding", () => {
    const name = "workers-ai/@cf/baai/bge-m3";
    const model = { provider: "workers-ai", name, model: "@cf/baai/bge-m3", binding: BINDING, price: 0.012 };
    const env = { THREADKEEP_EMBEDDINGS: name, THREADKEEP_EMBEDDINGS_PRICE: "0.012", AI: BINDING };
    expect(embeddingsOf(env)).toEqual(model);
  });

  test("are on any server with OpenAI's API, with or without a key", () => {
    const name = "openai-compatible/BAAI/bge-m3";
    const env = { THREADKEEP_EMBEDDINGS: name, THREADKEEP_EMBEDDINGS_BASE_URL: BASE_URL };
    const model = { provider: "openai-compatible", name, model: "BAAI/bge-m3", baseUrl: BASE_URL, price: null };
    expect(embeddingsOf(env)).toEqual(model);
    const withKey = { ...env, THREADKEEP_EMBEDDINGS_API_KEY: MODEL_KEY };
    expect(embeddingsOf(withKey)).toEqual({ ...model, apiKey: MODEL_KEY });
  });
});

describe("a setting that cannot work is reported with its variable and what to do", () => {
  test.each([
    [{ THREADKEEP_MODEL: "gpt-5" }, "THREADKEEP_MODEL must be", "wrangler.toml"],
    [{ THREADKEEP_MODEL: "anthropic/" }, "THREADKEEP_MODEL must be", "wrangler.toml"],
    [{ THREADKEEP_MODEL: "workers-ai/llama-3", AI: BINDING }, "THREADKEEP_MODEL must be", "workers-ai/@cf/"],
    [{ THREADKEEP_MODEL: "workers-ai/@cf/x" }, "binding AI is missing", "[env.….ai]"],
    [{ THREADKEEP_MODEL: "workers-ai/@cf/x", AI: "yes" }, "AI is no Workers AI binding", "wrangler.toml"],
    [{ THREADKEEP_MODEL: "openai-compatible/m" }, "THREADKEEP_MODEL_BASE_URL is missing", "https://api.openai.com/v1"],
    [{ THREADKEEP_MODEL_BASE_URL: "localhost:11434" }, "THREADKEEP_MODEL_BASE_URL must be", "an https URL"],
    [
      { THREADKEEP_MODEL_BASE_URL: "https://me:secret@api.example/v1" },
      "THREADKEEP_MODEL_BASE_URL must be",
      "user name",
    ],
    [{ THREADKEEP_MODEL: "anthropic/m" }, "THREADKEEP_MODEL_API_KEY is missing", "wrangler secret put"],
    [{ THREADKEEP_MODEL_API_KEY: `${MODEL_KEY}\n` }, "THREADKEEP_MODEL_API_KEY holds", "wrangler secret put"],
    [{ THREADKEEP_MODEL_INPUT_PRICE: "cheap" }, "THREADKEEP_MODEL_INPUT_PRICE must be", "per million tokens"],
    [{ THREADKEEP_MODEL_OUTPUT_PRICE: "-1" }, "THREADKEEP_MODEL_OUTPUT_PRICE must be", "per million tokens"],
    [{ THREADKEEP_MODEL_INPUT_PRICE: "1" }, "THREADKEEP_MODEL_OUTPUT_PRICE belong together", "both or none"],
    [{ THREADKEEP_EMBEDDINGS: "bge-m3" }, "THREADKEEP_EMBEDDINGS must be", "wrangler.toml"],
    [{ THREADKEEP_EMBEDDINGS: "anthropic/m" }, "THREADKEEP_EMBEDDINGS must be", "openai-compatible/MODEL"],
    [{ THREADKEEP_EMBEDDINGS: "workers-ai/@cf/x" }, "THREADKEEP_EMBEDDINGS is workers-ai/@cf/x", "[env.….ai]"],
    [{ THREADKEEP_EMBEDDINGS: "openai-compatible/m" }, "THREADKEEP_EMBEDDINGS_BASE_URL is missing", "http://127.0.0.1"],
    [{ THREADKEEP_EMBEDDINGS_BASE_URL: "http://models.example" }, "THREADKEEP_EMBEDDINGS_BASE_URL must be", "https"],
    [{ THREADKEEP_EMBEDDINGS_API_KEY: "a b" }, "THREADKEEP_EMBEDDINGS_API_KEY holds", "wrangler secret put"],
    [{ THREADKEEP_EMBEDDINGS_PRICE: "free" }, "THREADKEEP_EMBEDDINGS_PRICE must be", "per million tokens"],
    [{ SUMMARIZER_MCP_URL: "ftp://agent.example" }, "SUMMARIZER_MCP_URL must be", "built-in summarizer"],
    [{ SUMMARIZER_TIMEOUT_SECONDS: "soon" }, "SUMMARIZER_TIMEOUT_SECONDS must be", "1 to 120"],
    [{ SUMMARIZER_TIMEOUT_SECONDS: "" }, "SUMMARIZER_TIMEOUT_SECONDS must be", "left out"],
    [{ SUMMARIZER_TIMEOUT_SECONDS: "600" }, "SUMMARIZER_TIMEOUT_SECONDS must be", "1 to 120"],
  ])("%j", (env, what, mend) => {
    const faults = faultsOf(env);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(what);
    expect(faults[0]).toContain(mend);
  });

  test.each([
    "THREADKEEP_MODEL_BASE_URL",
    "THREADKEEP_EMBEDDINGS_BASE_URL",
    "SUMMARIZER_MCP_URL",
    "THREADKEEP_ALERT_WEBHOOK",
  ] as const)("and %s must be https, or http on this machine", (name) => {
    for (const url of [
      "https://models.example/v1",
      "http://localhost:1/v1",
      "http://127.0.0.1:1/",
      "http://[::1]:1/",
      "http://127.9.9.9/",
    ]) {
      expect(VARIABLES[name].safeParse(url).success, url).toBe(true);
    }
    for (const url of [
      "http://models.example/v1",
      "http://10.0.0.7/v1",
      "http://localhost.example/v1",
      "http://127.0.0.1.example/v1",
      "http://127.0.0.1@models.example/v1",
      "HTTP://models.example/v1",
      "ws://localhost/v1",
    ]) {
      expect(VARIABLES[name].safeParse(url).success, url).toBe(false);
    }
  });

  test("and all faults are in one message, without the secrets", () => {
    const faults = faultsOf({
      THREADKEEP_API_KEY: "short",
      THREADKEEP_MODEL: "openai-compatible/m",
      THREADKEEP_MODEL_API_KEY: "not a key",
      SUMMARIZER_MCP_URL: "nowhere",
    });
    expect(faults).toHaveLength(3);
    for (const name of ["THREADKEEP_API_KEY", "THREADKEEP_MODEL_API_KEY", "SUMMARIZER_MCP_URL"]) {
      expect(faults.join("\n")).toContain(name);
    }
    expect(faults.join("\n")).not.toMatch(/short\b(?!:)|not a key/);
  });

  test("and a missing variable of the model is reported together with other faults", () => {
    const faults = faultsOf({ THREADKEEP_API_TENANT: "No!", THREADKEEP_MODEL: "anthropic/m" });
    expect(faults.map((fault) => fault.split(" ")[0])).toEqual(["THREADKEEP_API_TENANT", "THREADKEEP_MODEL"]);
  });
});

describe("all faults are in one message", () => {
  test("for single variables, for those that belong together, for equal keys and for unknown names", () => {
    const key = PLAIN.THREADKEEP_API_KEY;
    const faults = faultsOf({
      THREADKEEP_ADMIN_KEY: key,
      THREADKEEP_HOSTS: "https://api.example",
      THREADKEEP_MODEL: "anthropic/m",
      THREADKEEP_MODEL_INPUT_PRICE: "1",
      THREADKEEP_AUDIT_DAY: "30",
    });
    expect(faults.map((fault) => fault.split(" ")[0])).toEqual([
      "THREADKEEP_HOSTS",
      "THREADKEEP_MODEL_INPUT_PRICE",
      "THREADKEEP_MODEL",
      "THREADKEEP_ADMIN_KEY",
      "THREADKEEP_AUDIT_DAY",
    ]);
    expect(faults.join("\n")).not.toContain(key);
  });

  test("and an empty environment is told what to set", () => {
    const names = [...messageOf({}).matchAll(/^- (\w+)/gm)].map(([, name]) => name);
    expect(names).toEqual(["THREADKEEP_API_KEY", "THREADKEEP_ADMIN_KEY", "THREADKEEP_API_TENANT"]);
  });

  test.each([
    ["THREADKEEP_CORS_ORIGIN", "Is THREADKEEP_CORS_ORIGINS meant?"],
    ["THREADKEEP_MODLE", "Is THREADKEEP_MODEL meant?"],
    ["SUMMARISER_MCP_URL", null],
    ["SUMMARIZER_URL", null],
    ["THREADKEEP_", null],
    ["THREADKEEP___proto__", null],
  ])("and an unknown variable is ignored or, if it begins like ours, reported: %s", (name, guess) => {
    const faults = faultsOf({ [name]: "x" });
    expect(faults).toHaveLength(/^(THREADKEEP|SUMMARIZER)_/.test(name) ? 1 : 0);
    for (const fault of faults) {
      expect(fault).toContain(`${name} is no variable of this version`);
      expect(fault).toContain(guess ?? "version. Rename it");
    }
  });
});

describe("the time limit of a summarizer", () => {
  test.each([
    [undefined, "120"],
    ["1", "1"],
    ["120", "120"],
  ])("is set in seconds, and used in milliseconds: %s", (text, seconds) => {
    const env = text === undefined ? PLAIN : { ...PLAIN, SUMMARIZER_TIMEOUT_SECONDS: text };
    expect(parseConfig(env).summarizerTimeoutMs).toBe(Number(seconds) * 1_000);
  });
});

test("the share of operations that have a data point is all of them by default, or what is set", () => {
  expect(parseConfig(PLAIN).metricsShare).toBe(1);
  expect(parseConfig({ ...PLAIN, THREADKEEP_METRICS_SAMPLE: "0.25" }).metricsShare).toBe(0.25);
});

describe("the retention time of the audit", () => {
  test("is 400 days by default, or what is set", () => {
    expect(parseConfig(PLAIN).auditDays).toBe(400);
    expect(parseConfig({ ...PLAIN, THREADKEEP_AUDIT_DAYS: "30" }).auditDays).toBe(30);
  });

  test.each(["", "29", "3651", "60.5", "a year"])("cannot be %s", (days) => {
    expect(faultsOf({ THREADKEEP_AUDIT_DAYS: days })).toEqual([
      "THREADKEEP_AUDIT_DAYS must be a whole number of days from 30 to 3650, or left out for 400",
    ]);
  });
});

describe("the logging", () => {
  test.each([
    { THREADKEEP_LOG_LEVEL: "loud" },
    { THREADKEEP_LOG_LEVEL: "" },
    { THREADKEEP_LOG_SAMPLE: "1.5" },
    { THREADKEEP_LOG_SAMPLE: "-0.1" },
    { THREADKEEP_LOG_SAMPLE: "half" },
    { THREADKEEP_LOG_SAMPLE: "" },
    { THREADKEEP_METRICS_SAMPLE: "2" },
  ])("cannot be set by %j", (variables) => {
    const [name = ""] = Object.keys(variables);
    expect(faultsOf(variables)).toEqual([expect.stringMatching(new RegExp(`^${name} must be .+ or left out for`))]);
  });

  test.each(["0", "1", "0.25", ".5", "1.0"])("may keep the share %s", (share) => {
    expect(faultsOf({ THREADKEEP_LOG_SAMPLE: share, THREADKEEP_LOG_LEVEL: "debug" })).toEqual([]);
  });
});

describe("the allowed host names and origins", () => {
  test("are any host name and no other origin by default", () => {
    expect(parseConfig(PLAIN)).toMatchObject({ hosts: [], corsOrigins: [], hasRateLimits: true });
  });

  test("are a list, with or without spaces", () => {
    const env = {
      THREADKEEP_HOSTS: "api.example, [::1],",
      THREADKEEP_CORS_ORIGINS: "https://app.example,http://localhost:3000",
      THREADKEEP_RATE_LIMITS: "off",
    };
    expect(parseConfig({ ...PLAIN, ...env })).toMatchObject({
      hosts: ["api.example", "[::1]"],
      corsOrigins: ["https://app.example", "http://localhost:3000"],
      hasRateLimits: false,
    });
  });

  test.each([
    [{ THREADKEEP_HOSTS: "https://api.example" }, "THREADKEEP_HOSTS must list names"],
    [{ THREADKEEP_HOSTS: "api.example:8787" }, "THREADKEEP_HOSTS must list names"],
    [{ THREADKEEP_HOSTS: "API.example" }, "THREADKEEP_HOSTS must list names"],
    [{ THREADKEEP_CORS_ORIGINS: "*" }, "* is none"],
    [{ THREADKEEP_CORS_ORIGINS: "https://app.example/" }, "THREADKEEP_CORS_ORIGINS must list origins"],
    [{ THREADKEEP_CORS_ORIGINS: "https://*.example" }, "THREADKEEP_CORS_ORIGINS must list origins"],
    [{ THREADKEEP_CORS_ORIGINS: "app.example" }, "THREADKEEP_CORS_ORIGINS must list origins"],
    [{ THREADKEEP_RATE_LIMITS: "maybe" }, "THREADKEEP_RATE_LIMITS must be"],
  ])("cannot be %j", (env, words) => {
    expect(faultsOf(env)).toEqual([expect.stringContaining(words)]);
  });
});

describe("the endpoint of the built-in summarizer", () => {
  test("exists unless it is turned off", () => {
    const isThere = (value: string) => parseConfig({ ...PLAIN, SUMMARIZER_ENDPOINT: value }).hasSummarizerEndpoint;
    expect([parseConfig(PLAIN).hasSummarizerEndpoint, isThere("on"), isThere("off")]).toEqual([true, true, false]);
    expect(faultsOf({ SUMMARIZER_ENDPOINT: "no" }).join()).toContain('SUMMARIZER_ENDPOINT must be "on" or "off"');
  });
});

describe("the issuers of users' tokens", () => {
  const issuersOf = (text: string) => parseConfig({ ...PLAIN, THREADKEEP_JWT_ISSUERS: text }).issuers;
  const faultOfIssuers = (value: unknown) =>
    faultsOf({ THREADKEEP_JWT_ISSUERS: typeof value === "string" ? value : JSON.stringify(value) }).join("\n");
  const issuer = "https://project.supabase.co/auth/v1";

  test("are none where nothing is set", () => {
    expect(parseConfig(PLAIN).issuers).toEqual([]);
    expect(issuersOf(" ")).toEqual([]);
  });

  test("publish their keys where Supabase does, are for signed-in users, and have no anonymous users", () => {
    expect(issuersOf(JSON.stringify([{ issuer, tenant: "acme" }]))).toEqual([
      {
        issuer,
        tenant: "acme",
        audience: "authenticated",
        jwksUrl: `${issuer}/.well-known/jwks.json`,
        anonymousUsers: false,
        oauth: true,
      },
    ]);
  });

  test("may be on this machine without https, and publish their keys elsewhere", () => {
    const local = { issuer: "http://127.0.0.1:9999/auth/v1", tenant: "local", jwksUrl: "https://keys.example/set" };
    expect(issuersOf(JSON.stringify([local]))[0]).toMatchObject(local);
  });

  test.each([
    ["[{", "THREADKEEP_JWT_ISSUERS must be a list such as"],
    [{ issuer, tenant: "acme" }, "THREADKEEP_JWT_ISSUERS must be a list such as"],
    [[{ tenant: "acme" }], "THREADKEEP_JWT_ISSUERS[0].issuer must be a string"],
    [[{ issuer: "http://project.supabase.co", tenant: "acme" }], "[0].issuer must be an https URL"],
    [[{ issuer: "https://me:secret@x.example", tenant: "acme" }], "[0].issuer must be an https URL"],
    [[{ issuer, tenant: "acme", jwksUrl: "ftp://keys.example" }], "[0].jwksUrl must be an https URL"],
    [[{ issuer, tenant: "No Tenant" }], "[0].tenant must be 1 to 63 characters"],
    [[{ issuer, tenant: "acme", audience: "" }], "[0].audience must not be empty"],
    [[{ issuer, tenant: "acme", audiences: ["x"] }], "audiences"],
    [
      [
        { issuer, tenant: "acme" },
        { issuer, tenant: "other" },
      ],
      "names an issuer twice",
    ],
  ])("are refused as %j with what is wrong and where", (value, words) => {
    expect(faultOfIssuers(value)).toContain(words);
  });
});
