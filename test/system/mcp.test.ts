import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";
import { promisify } from "node:util";
import { createMCPClient } from "@ai-sdk/mcp";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientOf2025 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioOf2025 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as TransportOf2025 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { call, sharedService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const service = sharedService();
const MCP_URL = new URL("/mcp", service.url);
const authorization = `Bearer ${service.apiKey}`;

const TURNS = [
  { id: "t1", role: "user", content: "My name is Ada, and the project is called Apollo." },
  { id: "t2", role: "assistant", content: "Welcome to Apollo, Ada." },
];

interface Caller {
  call(name: string, args: Record<string, unknown>): Promise<unknown>;
}

async function expectConversationKept({ call: callTool }: Caller): Promise<void> {
  const sessionId = `mcp-${crypto.randomUUID()}`;
  await callTool("append_messages", { sessionId, messages: TURNS });
  const context = JSON.stringify(await callTool("get_context", { sessionId }));
  for (const { content } of TURNS) expect(context).toContain(content);
  expect(context).toContain("<threadkeep_memory>");
}

/** It looks for its own package.json from its working directory on, and for Node on the PATH. */
const INSPECTOR = path.resolve("node_modules/@modelcontextprotocol/inspector-cli/build");
const PATH = [path.dirname(process.execPath), process.env["PATH"]].join(path.delimiter);

/** Calls a tool through `inspector --cli`, with one process for each call. */
async function inspect(name: string, args: Record<string, unknown>): Promise<unknown> {
  const given = Object.entries(args).flatMap(([key, value]) => {
    return ["--tool-arg", `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`];
  });
  const server = [MCP_URL.href, "--transport", "http", "--header", `Authorization: ${authorization}`];
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["cli.js", "--cli", ...server, "--method", "tools/call", "--tool-name", name, ...given],
    { cwd: INSPECTOR, env: { ...process.env, PATH } },
  );
  return JSON.parse(stdout);
}

/** Runs the official conformance suite against `/mcp`. */

const SUITE = path.resolve("node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** A session that repeats its own id, as one of the scenarios requires. */
const CONFORMANCE_SESSION = "123";
const CONTEXT = `threadkeep://sessions/${CONFORMANCE_SESSION}/context`;

/**
 * The suite calls its own tools, prompts and resources. If a scenario is only about the form of an answer, it is redirected to one that
 * exists here; the answers are returned unchanged.
 */
const OURS: Readonly<Record<string, object>> = {
  test_simple_text: { name: "list_sessions", arguments: {} },
  // Without the session that it needs.
  test_error_handling: { name: "get_context", arguments: {} },
  test_simple_prompt: { name: "catch_up", arguments: { sessionId: CONFORMANCE_SESSION } },
  "test://static-text": { uri: CONTEXT },
  "test://template/123/data": { uri: CONTEXT },
};
const OUR_ARGUMENT = {
  ref: { type: "ref/prompt", name: "catch_up" },
  argument: { name: "sessionId", value: CONFORMANCE_SESSION },
};

/** Scenarios about features that the server does not declare, or about fixtures that a memory does not have. */
const NOT_APPLICABLE: Readonly<Record<string, string>> = {
  "logging-set-level": "declares no logging, which 2026-07-28 deprecates",
  "tools-call-with-logging": "declares no logging",
  "tools-call-image": "a fixture: every tool answers with text",
  "tools-call-audio": "a fixture: every tool answers with text",
  "tools-call-embedded-resource": "a fixture: every tool answers with text",
  "tools-call-mixed-content": "a fixture: every tool answers with text",
  "tools-call-with-progress":
    "a fixture that counts to three; test/worker/mcp.test.ts has a summary tell its progress instead",
  "tools-call-sampling": "asks clients for no sampling",
  "tools-call-elicitation": "asks clients for no input",
  "elicitation-sep1034-defaults": "asks clients for no input",
  "elicitation-sep1330-enums": "asks clients for no input",
  "json-schema-2020-12": "a fixture: a tool of every keyword of JSON Schema",
  "resources-read-binary": "every resource is text",
  "resources-subscribe": "declares no subscriptions",
  "resources-unsubscribe": "declares no subscriptions",
  "prompts-get-with-args": "a fixture that repeats two arguments of its own",
  "prompts-get-embedded-resource": "every prompt is text",
  "prompts-get-with-image": "every prompt is text",
  "server-stateless": "four of its checks want fixtures, for logging and for input of clients; the others pass",
  "http-custom-header-server-validation": "no tool has a parameter that stands in a header as well",
  "server-sse-polling":
    "warns: there are no sessions of the protocol, and a stream, which is one answer, is not resumed",
  "server-sse-multiple-streams": "warns: there are no sessions of the protocol",
  "tasks-lifecycle": "declares no tasks",
  "tasks-capability-negotiation": "declares no tasks",
  "tasks-wire-fields": "declares no tasks",
  "tasks-request-state-removal": "declares no tasks",
  "tasks-mrtr-input": "declares no tasks",
  "tasks-request-headers": "declares no tasks",
  "tasks-dispatch-and-envelope": "declares no tasks",
  "tasks-required-task-error": "declares no tasks",
  "tasks-mrtr-composition": "declares no tasks",
  "input-required-result-basic-elicitation": "asks clients for no input",
  "input-required-result-basic-sampling": "asks clients for no sampling",
  "input-required-result-basic-list-roots": "asks clients for no roots",
  "input-required-result-request-state": "asks clients for no input",
  "input-required-result-multiple-input-requests": "asks clients for no input",
  "input-required-result-multi-round": "asks clients for no input",
  "input-required-result-non-tool-request": "asks clients for no input",
  "input-required-result-result-type": "asks clients for no input",
  "input-required-result-missing-input-response": "warns: asks clients for no input",
  "input-required-result-ignore-extra-params": "warns: asks clients for no input",
  "input-required-result-tampered-state": "asks clients for no input",
  "input-required-result-capability-check": "asks clients for no input",
};

interface Check {
  readonly id: string;
  readonly status: string;
  readonly errorMessage?: string;
}

/** The checks of each scenario. */
async function runConformance(
  serviceUrl: string,
  headers: Readonly<Record<string, string>>,
  resultsDirectory: string,
): Promise<Map<string, Check[]>> {
  const proxy = await startProxy(serviceUrl, headers);
  try {
    const args = ["server", "--url", `${proxy.url}/mcp`, "--suite", "all", "-o", resultsDirectory];
    // It ends with 1 if anything failed; what failed is in its files.
    await new Promise<void>((resolve) => {
      execFile(process.execPath, ["--no-warnings", SUITE, ...args], { timeout: 100_000 }, () => resolve());
    });
  } finally {
    await proxy.close();
  }
  const results = new Map<string, Check[]>();
  for (const directory of readdirSync(resultsDirectory)) {
    const scenario = /^server-(.+)-\d{4}-\d\d-\d\dT/.exec(directory)?.[1] ?? directory;
    results.set(scenario, JSON.parse(readFileSync(path.join(resultsDirectory, directory, "checks.json"), "utf8")));
  }
  return results;
}

/** Passes requests on with a key, which the suite does not know, and with our names in place of its own. */
async function startProxy(serviceUrl: string, added: Readonly<Record<string, string>>) {
  const { hostname, port } = new URL(serviceUrl);
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { text, name } = translated(Buffer.concat(chunks).toString());
      const headers: http.OutgoingHttpHeaders = { ...request.headers, ...added };
      delete headers["transfer-encoding"];
      headers["content-length"] = Buffer.byteLength(text);
      if (name !== undefined && headers["mcp-name"] !== undefined) headers["mcp-name"] = name;
      const options = { hostname, port, path: request.url ?? "/", method: request.method ?? "GET", headers };
      const onward = http.request(options, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      onward.on("error", () => response.destroy());
      response.on("close", () => onward.destroy());
      onward.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function translated(text: string): { readonly text: string; readonly name?: string } {
  if (!text.includes("test_") && !text.includes("test:")) return { text };
  const request: { params?: { name?: string; uri?: string; ref?: { name?: string } } } = JSON.parse(text);
  const { params = {} } = request;
  const ours =
    params.ref?.name === "test_prompt_with_arguments" ? OUR_ARGUMENT : OURS[params.name ?? params.uri ?? "none"];
  if (ours === undefined) return { text };
  const asked = { ...params, ...ours };
  const name = asked.name ?? asked.uri;
  return { text: JSON.stringify({ ...request, params: asked }), ...(name === undefined ? {} : { name }) };
}

describe("the official conformance suite", () => {
  it("passes for everything that is declared; what is not declared is listed with the reason", async () => {
    const user = `conformance-${crypto.randomUUID()}`;
    const messages = [{ role: "user", content: `This is session ${CONFORMANCE_SESSION}.` }];
    const place = `/v1/sessions/${CONFORMANCE_SESSION}/messages`;
    const headers = { "threadkeep-user": user };
    expect(await call(service, "POST", place, { headers, body: { messages } })).toMatchObject({ status: 201 });
    const directory = makeTemporaryDirectory();
    onTestFinished(() => removeDirectory(directory));
    const results = await runConformance(service.url, { authorization, ...headers }, directory);
    const failed = [...results].flatMap(([scenario, checks]) => {
      const faults = checks.filter(({ status }) => status === "FAILURE" || status === "WARNING");
      return faults.map(({ id, errorMessage }) => ({ scenario, id, errorMessage }));
    });
    expect(failed.filter(({ scenario }) => !(scenario in NOT_APPLICABLE))).toEqual([]);
    expect([...new Set(failed.map(({ scenario }) => scenario))].toSorted()).toEqual(
      Object.keys(NOT_APPLICABLE).toSorted(),
    );
    // Most checks apply to these scenarios.
    for (const { scenario, errorMessage } of failed) {
      if (scenario === "server-stateless") expect(errorMessage).toMatch(/^Not testable/);
    }
    const passed = [...results.values()].flat().filter(({ status }) => status === "SUCCESS");
    expect(passed.length).toBeGreaterThan(100);
  });
});

describe("a deployment without sign-in", () => {
  it("does not send a client to an authorization server", async () => {
    const metadata = await call(service, "GET", "/.well-known/oauth-protected-resource/mcp", { key: null });
    expect(metadata).toMatchObject({ status: 404, body: { code: "route_not_found" } });
    const stranger = await call(service, "POST", "/mcp", { key: null, body: {} });
    expect(stranger.headers.get("www-authenticate")).toBe('Bearer realm="threadkeep"');
  });
});

describe("a conversation is written and its context read back", () => {
  it.each(["auto", "legacy", { pin: "2026-07-28" }] as const)("by SDK v2 in mode %j", async (mode) => {
    const client = new Client({ name: "v2", version: "1.0.0" }, { versionNegotiation: { mode } });
    await client.connect(new StreamableHTTPClientTransport(MCP_URL, { requestInit: { headers: { authorization } } }));
    onTestFinished(() => client.close());
    await expectConversationKept({ call: (name, args) => client.callTool({ name, arguments: args }) });
  });

  it("by SDK v1, the client of 2025", async () => {
    const client = new ClientOf2025({ name: "v1", version: "1.0.0" });
    const transport = new TransportOf2025(MCP_URL, { requestInit: { headers: { authorization } } });
    await client.connect(transport);
    onTestFinished(() => client.close());
    await expectConversationKept({ call: (name, args) => client.callTool({ name, arguments: args }) });
  });

  it("by a client that only supports stdio, through the bridge", async () => {
    const client = new ClientOf2025({ name: "stdio", version: "1.0.0" });
    const transport = new StdioOf2025({
      command: "npx",
      args: ["threadkeep", "mcp", "--url", service.url, "--user", "bridged"],
      env: { THREADKEEP_API_KEY: service.apiKey, npm_config_update_notifier: "false", PATH: process.env["PATH"] ?? "" },
      stderr: "pipe",
    });
    await client.connect(transport);
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.length).toBeGreaterThan(5);
    await expectConversationKept({ call: (name, args) => client.callTool({ name, arguments: args }) });
    const listed = await call(service, "GET", "/v1/sessions", { headers: { "threadkeep-user": "bridged" } });
    expect(listed.text).toContain("mcp-");
  });

  it("by the MCP Inspector's command line", async () => {
    await expectConversationKept({ call: inspect });
  });

  it("by the AI SDK's MCP client, as tools of a model", async () => {
    const client = await createMCPClient({
      transport: { type: "http", url: MCP_URL.href, headers: { authorization } },
    });
    onTestFinished(() => client.close());
    const tools = await client.tools();
    await expectConversationKept({
      call: async (name, args) => {
        const options = { toolCallId: crypto.randomUUID(), messages: [], context: undefined };
        return tools[name]?.execute?.(args, options as never);
      },
    });
  });
});
