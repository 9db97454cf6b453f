import { createServer, type Socket } from "node:net";
import { Client } from "pg";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Context } from "../../src/api/context.ts";
import { call, eventually, sharedService, startOwnService } from "../support/service.ts";

interface State {
  headSeq: number;
  summary: { version: number; throughSeq: number } | null;
  summaryPending: boolean;
  archived: boolean;
}

/** The longest that an append or a context may take while a part behind them is unavailable: far more than they take, and less than any timeout. */
const MAX_MS = 4_000;

function turns(from: number, count: number) {
  return Array.from({ length: count }, (_, index) => ({
    id: `turn-${from + index}`,
    role: (from + index) % 2 === 1 ? "user" : "assistant",
    content: `Turn ${from + index}: crate ${7000 + from + index} leaves for the harbour on Tuesday. ${"It is heavy and blue. ".repeat(8)}`,
  }));
}

describe("promise 4: append never waits", () => {
  it("appends, reads contexts and lists sessions without PostgreSQL; the archive catches up by itself, and no summary is made twice", async () => {
    const service = await startOwnService();
    const settings = { summarizeAfterTokens: 1_000, keepRecentTokens: 300 };
    await call(service, "POST", "/v1/sessions", { body: { id: "away", settings } });
    await service.stopPostgres();

    for (let from = 1; from <= 60; from += 10) {
      const startedAt = performance.now();
      const append = await call(service, "POST", "/v1/sessions/away/messages", {
        body: { messages: turns(from, 10), context: { maxTokens: 2_000 } },
      });
      expect(append.status).toBe(201);
      expect(performance.now() - startedAt).toBeLessThan(MAX_MS);
    }
    const summarized = await eventually("the summary lands without PostgreSQL", async () => {
      const { body } = await call<State>(service, "GET", "/v1/sessions/away");
      return body.summary !== null && !body.summaryPending ? body : undefined;
    });
    expect(summarized.archived).toBe(false);
    const context = await call<{ omitted: unknown[]; tokens: { used: number } }>(
      service,
      "GET",
      "/v1/sessions/away/context?maxTokens=4000",
    );
    expect(context).toMatchObject({ status: 200, body: { omitted: [] } });
    const list = await call<{ data: { id: string }[] }>(service, "GET", "/v1/sessions");
    expect(list.body.data.map(({ id }) => id)).toEqual(["away"]);
    await eventually("it is told as degraded", async () => {
      const readiness = await call<{ status: string }>(service, "GET", "/readyz");
      expect(readiness.status).toBe(200);
      return readiness.body.status === "degraded" ? true : undefined;
    });

    await service.startPostgres();
    const archived = await eventually(
      "the archive catches up",
      async () => {
        const { body } = await call<State>(service, "GET", "/v1/sessions/away");
        return body.archived ? body : undefined;
      },
      90_000,
    );
    expect(archived.summary).toEqual(summarized.summary);
    const client = new Client({ connectionString: service.databaseUrl });
    await client.connect();
    const rows = await client.query(
      "select s.version, s.through_seq from summaries s join sessions using (epoch) where session = 'away' order by version desc",
    );
    await client.end();
    expect(rows.rows[0]).toMatchObject({
      version: archived.summary?.version,
      through_seq: archived.summary?.throughSeq,
    });
    expect(rows.rows).toHaveLength(archived.summary?.version ?? 0);
  }, 240_000);

  it("appends and reads contexts while the summarizer is unavailable, and names what waits for it", async () => {
    // Nobody listens there, so each call fails at once, as it does when an agent is down.
    const service = await startOwnService({ env: { SUMMARIZER_MCP_URL: "http://127.0.0.1:9/mcp" } });
    const settings = { summarizeAfterTokens: 1_000, keepRecentTokens: 300, maxTokens: 1_500 };
    await call(service, "POST", "/v1/sessions", { body: { id: "alone", settings } });
    for (let from = 1; from <= 60; from += 10) {
      const startedAt = performance.now();
      const append = await call(service, "POST", "/v1/sessions/alone/messages", {
        body: { messages: turns(from, 10) },
      });
      expect(append.status).toBe(201);
      const context = await call<{ omitted: { reason: string }[] }>(service, "GET", "/v1/sessions/alone/context");
      expect(context.status).toBe(200);
      expect(performance.now() - startedAt).toBeLessThan(MAX_MS);
    }
    const context = await call<Context>(service, "GET", "/v1/sessions/alone/context");
    expect(context.body).toMatchObject({ headSeq: 60, summary: null, summaryPending: true });
    // The pending summary covers what was said before it; what has been said since waits for the next one.
    expect(context.body.omitted[0]).toMatchObject({ fromSeq: 1, reason: "pending" });
    const failures = await eventually(
      "operators see the failure",
      async () => {
        const { body } = await call<{ data: { session: string }[] }>(service, "GET", "/v1/admin/jobs", {
          key: service.adminKey,
        });
        return body.data.length > 0 ? body.data : undefined;
      },
      90_000,
    );
    expect(failures).toMatchObject([{ session: "alone", kind: "summarize" }]);
  }, 240_000);

  it("does not wait for an agent or a PostgreSQL that accepts connections and never answers", async () => {
    const agent = await neverAnswering();
    const database = await neverAnswering();
    // The migrations need a real PostgreSQL; the Worker is sent to another address.
    const service = await startOwnService({
      databaseUrl: sharedService().databaseUrl,
      env: { SUMMARIZER_MCP_URL: `http://127.0.0.1:${agent.port}/mcp` },
      workerDatabaseUrl: `postgres://nobody:nothing@127.0.0.1:${database.port}/threadkeep?sslmode=disable`,
    });
    const settings = { summarizeAfterTokens: 1_000, keepRecentTokens: 300, maxTokens: 1_500, archiveMessages: true };
    await call(service, "POST", "/v1/sessions", { body: { id: "silent", settings } });
    await call(service, "POST", "/v1/sessions/silent/messages", { body: { messages: turns(1, 20) } });
    await eventually("the agent holds a call", () => (agent.open() > 0 ? true : undefined));
    for (let seq = 21; seq <= 40; seq += 1) {
      const startedAt = performance.now();
      const append = await call(service, "POST", "/v1/sessions/silent/messages", {
        body: { messages: turns(seq, 1), context: { maxTokens: 1_500, query: "auto" } },
      });
      expect(append.status).toBe(201);
      expect((await call(service, "GET", "/v1/sessions/silent/context")).status).toBe(200);
      expect(performance.now() - startedAt).toBeLessThan(MAX_MS);
    }
    // The first call waited all that time, and the appends did not.
    expect(agent.open()).toBeGreaterThan(0);
    expect(agent.taken()).toBeLessThanOrEqual(2);
    expect(database.taken()).toBeGreaterThan(0);
  }, 240_000);
});

/** Accepts connections, reads what comes, and never answers. */
async function neverAnswering(): Promise<{ port: number; open: () => number; taken: () => number }> {
  const sockets = new Set<Socket>();
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    sockets.add(socket);
    socket.resume();
    socket.on("error", () => socket.destroy());
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, open: () => sockets.size, taken: () => taken };
}
