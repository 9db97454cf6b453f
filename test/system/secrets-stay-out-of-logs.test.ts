import { readFileSync } from "node:fs";
import type { Client } from "pg";
import { expect, it } from "vitest";
import { withClient } from "../../scripts/dev/database.ts";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import type { Service } from "../../scripts/dev/service.ts";
import { readSpans } from "../../tools/capacity/telemetry.ts";
import { scriptModel } from "../support/scripted-model.ts";
import { call, type CallOptions, eventually, startOwnService } from "../support/service.ts";

/** A secret for each kind of text that comes in. */
const SPOKEN = {
  text: "quince-4711-marmalade",
  author: "author-of-4712-jams",
  messageMetadata: "medlar-4713-jelly",
  sessionMetadata: "damson-4714-cheese",
  query: "sloe-4715-gin",
  brokenBody: "rowan-4716-syrup",
  wrongField: "bilberry-4717-tart",
  parameter: "mulberry-4718-wine",
  edit: "gooseberry-4719-fool",
  importLine: "greengage-4720-compote",
};
const MODEL_KEY = "sk-model-key-0123456789abcdefghij";
const STRANGE_KEY = "tk_acme_000000000000_wrong-key-9876543210";
const STRANGE_TOKEN = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJwbGFudGVkLTQ3MjItc3ViamVjdCJ9.c2lnbmF0dXJlLTQ3MjM";

function owner<T>(service: Service, use: (client: Client) => Promise<T>): Promise<T> {
  return withClient(service.databaseUrl, use);
}

/** What a chat says and asks, and requests that are refused. */
async function beBusy(service: Service, session: string, options: CallOptions = {}): Promise<number[]> {
  const statuses: number[] = [];
  const send = async (method: string, path: string, body?: unknown, more: CallOptions = {}): Promise<void> => {
    const given = { ...options, ...more, headers: { ...options.headers, ...more.headers } };
    const answer = await call(service, method, path, body === undefined ? given : { ...given, body });
    statuses.push(answer.status);
  };
  const messages = Array.from({ length: 10 }, (_, index) => ({
    id: `m-${index + 1}`,
    role: "user",
    author: SPOKEN.author,
    content: `I decided on shelf ${index + 1} for the ${SPOKEN.text}. The price is ${index + 1} euros.`,
    metadata: { note: SPOKEN.messageMetadata },
  }));
  const path = `/v1/sessions/${session}`;
  await send("POST", "/v1/sessions", { id: session, metadata: { topic: SPOKEN.sessionMetadata } });
  await send("POST", `${path}/messages`, { messages, context: { query: SPOKEN.query } });
  await send("POST", `${path}/messages`, { messages: [{ ...messages[0], content: SPOKEN.wrongField }] });
  await send("POST", `${path}/messages`, `{"messages": [{"role": "user", "content": "${SPOKEN.brokenBody}`);
  await send("POST", `${path}/messages`, { messages: [{ role: SPOKEN.wrongField, content: SPOKEN.wrongField }] });
  await send("GET", `${path}/messages?afterSeq=${SPOKEN.parameter}`);
  await send("GET", `${path}/context?${SPOKEN.parameter}=1`);
  await send("POST", `${path}/context`, { query: SPOKEN.query, format: "openai-chat" });
  await send("POST", `${path}/search`, { query: SPOKEN.query });
  await send("POST", "/v1/search", { query: SPOKEN.query });
  await send("PATCH", `${path}/messages/m-2`, { content: SPOKEN.edit });
  await send("POST", `${path}/summarize`, { keepRecentTokens: 0, waitMs: 10_000 });
  await send("POST", "/v1/import", `{"type":"session","id":"${SPOKEN.importLine}`, {
    headers: { "content-type": "application/x-ndjson" },
  });
  await send("GET", `${path}/export`);
  await send("GET", path, undefined, { key: STRANGE_KEY });
  await send("GET", path, undefined, { key: STRANGE_TOKEN });
  return statuses;
}

it("keeps messages, keys and tokens out of all output: of the service, of its failures and refusals, and of PostgreSQL", async () => {
  const model = await scriptModel([{ does: "refuse", status: 401 }]);
  const service = await startOwnService({
    keepsTelemetry: true,
    env: {
      THREADKEEP_MODEL: "openai-compatible/stand-in",
      THREADKEEP_MODEL_BASE_URL: model.baseUrl,
      THREADKEEP_MODEL_API_KEY: MODEL_KEY,
    },
  });
  const paths = statePaths(service.stateDir);
  const token = await signUserToken(paths.issuerKey, { user: "ada", claims: {} });
  // PostgreSQL refuses this row, and would quote it in its log if it were allowed to.
  await owner(service, (client) =>
    client.query(`alter table summary_items add constraint refused check (text not like '%${SPOKEN.text}%')`),
  );
  const refusals = [409, 400, 422, 422, 422, 422, 401, 401];
  for (const options of [{}, { key: token }]) {
    const statuses = await beBusy(service, "pantry", options);
    expect(statuses.filter((status) => status >= 400).toSorted()).toEqual(refusals.toSorted());
  }
  expect((await model.requests()).length).toBeGreaterThan(1);
  await eventually("PostgreSQL has refused the row", () =>
    readFileSync(paths.workerLog, "utf8").includes('"event":"archive_rows_set_aside"') ? true : undefined,
  );
  await service.stopPostgres();
  await beBusy(service, "cellar");
  await service.startPostgres();
  for (const user of ["ada", "grace"]) await call(service, "DELETE", `/v1/users/${user}`);
  await call(service, "GET", "/v1/users/ada");
  await service.stop();

  const spans = readSpans(service.stateDir);
  const output = {
    service: readFileSync(paths.workerLog, "utf8"),
    spans: JSON.stringify(spans),
    postgres: readFileSync(paths.postgresLog, "utf8"),
  };
  // Everything that was planted did come by.
  expect(output.service).toContain('"event":"request"');
  expect(output.service).toContain('"event":"archive_unreachable"');
  // What it refused was caught in a function, and so is not in its log.
  expect(output.postgres).toContain("ready to accept connections");
  for (const said of [
    '"http.route":"/v1/sessions/{sessionId}/messages"',
    '"http.route":"/v1/users/{userId}"',
    '"messaging.destination.name":"threadkeep-summarize"',
  ]) {
    expect(spans.some(({ attributes }) => attributes.includes(said))).toBe(true);
  }
  // URLs contain ids, and the platform writes a URL into each span of a request unless it is overwritten.
  for (const id of ["pantry", "cellar", "ada", "grace", "m-2"]) {
    expect(output.spans, id).not.toMatch(new RegExp(`\\b${id}\\b`));
  }
  const { apiKey, adminKey, databaseUrl } = service;
  const database = new URL(databaseUrl);
  const keys = { apiKey, adminKey, password: database.password, MODEL_KEY, STRANGE_KEY };
  const parts = Object.fromEntries(
    [token, STRANGE_TOKEN].flatMap((one, at) => one.split(".").map((part, of) => [`token ${at}.${of}`, part])),
  );
  for (const [from, text] of Object.entries(output)) {
    for (const [kind, secret] of Object.entries({ ...SPOKEN, ...keys, ...parts })) {
      expect(secret.length, kind).toBeGreaterThan(10);
      expect(text.includes(secret), `${kind} in the output of ${from}`).toBe(false);
    }
  }
}, 240_000);
