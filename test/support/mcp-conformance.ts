import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import http from "node:http";
import path from "node:path";

/** Runs the official conformance suite against `/mcp`. */

const SUITE = path.resolve("node_modules/@modelcontextprotocol/conformance/dist/index.js");

/** A session that repeats its own id, as one of the scenarios requires. */
export const CONFORMANCE_SESSION = "123";
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
export const NOT_APPLICABLE: Readonly<Record<string, string>> = {
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
export async function runConformance(
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
