import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { createMCPClient } from "@ai-sdk/mcp";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { Client as ClientOf2025 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioOf2025 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport as TransportOf2025 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { describe, expect, it, onTestFinished } from "vitest";
import { CONFORMANCE_SESSION, NOT_APPLICABLE, runConformance } from "../support/mcp-conformance.ts";
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
