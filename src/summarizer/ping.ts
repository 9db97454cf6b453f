import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { SUMMARIZE_TOOL } from "../api/summarizer.ts";
import type { SummarizerClientOptions } from "./client.ts";

const VERSION = "1.0.0";

/**
 * Asks an agent for its list of tools. This calls no model and costs nothing.
 * @throws if it does not answer in time, or lacks the summarize tool
 */
export async function pingSummarizer(options: SummarizerClientOptions): Promise<void> {
  const signal = AbortSignal.timeout(options.timeoutMs);
  const headers: Record<string, string> =
    options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  const transport = new StreamableHTTPClientTransport(new URL(options.url), {
    requestInit: { headers },
    fetch: (url, init) => options.fetch(new Request(url, { ...init, redirect: "manual", signal })),
  });
  const client = new Client({ name: options.name, version: VERSION }, { versionNegotiation: { mode: "auto" } });
  const limits = { signal, timeout: options.timeoutMs };
  try {
    await client.connect(transport, limits);
    const { tools } = await client.listTools({}, limits);
    if (tools.some(({ name }) => name === SUMMARIZE_TOOL)) return;
  } finally {
    await client.close();
  }
  throw new Error(`the agent has no tool ${SUMMARIZE_TOOL}`);
}
