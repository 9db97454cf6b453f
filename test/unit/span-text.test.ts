import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { unstable_readConfig as readConfig } from "wrangler";
import { USUAL } from "../../scripts/bill/usual.ts";
import { spanOfDelivery, spanOfRequest } from "../../src/telemetry/span-text.ts";

const document = readFileSync("docs/metrics.md", "utf8");

describe("the span of a request", () => {
  it("has the method and the route as its name, and the URL with the route's template", () => {
    const url = "https://memory.example/v1/sessions/a-secret/messages?afterSeq=4";
    expect(spanOfRequest("POST", url, "/v1/sessions/{sessionId}/messages")).toEqual({
      name: "POST /v1/sessions/{sessionId}/messages",
      attributes: {
        "http.route": "/v1/sessions/{sessionId}/messages",
        "url.path": "/v1/sessions/{sessionId}/messages",
        "url.full": "https://memory.example/v1/sessions/{sessionId}/messages",
      },
    });
  });

  it("for an invalid URL has correspondingly less", () => {
    expect(spanOfRequest("GET", "*", null)).toMatchObject({ name: "GET", attributes: { "url.full": "/{unknown}" } });
  });

  it("contains nothing of a URL without a route", () => {
    const text = JSON.stringify(spanOfRequest("GET", "https://memory.example/v2/a-secret?q=another", null));
    expect(text).not.toMatch(/a-secret|another/);
    expect(JSON.parse(text)).toMatchObject({ name: "GET" });
  });
});

describe("docs/metrics.md", () => {
  it("names each attribute that Threadkeep sets", () => {
    const texts = [
      spanOfRequest("GET", "https://memory.example/livez", "/livez"),
      spanOfDelivery("threadkeep-archive", 3),
    ];
    for (const key of texts.flatMap(({ attributes }) => Object.keys(attributes)))
      expect(document).toContain(`\`${key}\``);
  });

  it.each([undefined, "staging", "production"])("states the sampling of wrangler.toml: %s", (env) => {
    const { observability, vars } = readConfig({ config: "wrangler.toml", env }, { hideWarnings: true });
    const name = env === undefined ? "local" : `\`${env}\``;
    const rates = [observability?.traces?.head_sampling_rate, observability?.logs?.head_sampling_rate];
    expect(document).toContain(
      `| ${name} | ${rates.join(" | ")} | ${vars["THREADKEEP_LOG_SAMPLE"]} | ${vars["THREADKEEP_METRICS_SAMPLE"]} |`,
    );
    // The platform drops lines without looking at them, so errors would be dropped too.
    expect(rates[1]).toBe(1);
  });

  it("states the sampling of production with which the bill is computed", () => {
    const { traces, logs, points } = USUAL;
    expect(document).toContain(`| \`production\` | ${traces} | 1 | ${logs} | ${points} |`);
  });
});
