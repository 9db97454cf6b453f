import { describe, expect, it } from "vitest";
import { findImportViolations } from "../../scripts/check/import-rules.ts";

function check(file: string, text: string): string[] {
  return findImportViolations(new Map([[file, text]]));
}

describe("the import rules", () => {
  const planted: [file: string, text: string, complaint: RegExp][] = [
    ["src/memory/cut.ts", 'import { log } from "../telemetry/log.ts";', /memory may not import telemetry\/log/],
    ["src/memory/cut.ts", 'import { z } from "zod";', /memory may import node:buffer, node:zlib alone, not zod/],
    ["src/memory/cut.ts", 'import fs from "node:fs";', /node:zlib alone, not node:fs/],
    ["src/contracts/page.ts", 'import { Hono } from "hono";', /contracts may import zod alone, not hono/],
    ["src/contracts/page.ts", 'import type { Cut } from "../memory/cut.ts";', /contracts may not import memory\/cut/],
    ["src/http/app.ts", 'import { Store } from "../session/client.ts";', /http may not import session\/client/],
    ["src/http/app.ts", 'export { tool } from "../mcp/server.ts";', /http may not import mcp\/server/],
    ["src/mcp/server.ts", 'export * from "../http/app.ts";', /mcp may not import http\/app/],
    ["src/mcp/server.ts", 'const app = await import("../http/app.ts");', /mcp may not import http\/app/],
    ["src/mcp/server.ts", 'type App = import("../http/app.ts").App;', /mcp may not import http\/app/],
    ["src/http/app.ts", "const app = await import(name);", /target is computed cannot be checked/],
    [
      "src/pipeline/consume.ts",
      'import { prompt } from "../summarizer/prompt.ts";',
      /pipeline may not import summarizer\/prompt/,
    ],
    [
      "src/pipeline/consume.ts",
      'import { Directory } from "../registry/directory.ts";',
      /may not import registry\/directory;/,
    ],
    [
      "src/pipeline/consume.ts",
      'import { SessionStore } from "../session/store.ts";',
      /nobody but session\/transactions/,
    ],
    ["src/session/append.ts", 'import { SessionStore } from "./store.ts";', /nobody but session\/transactions/],
    ["src/session/append.ts", 'import { JobStore } from "./job-store.ts";', /nobody but session\/store imports/],
    [
      "src/session/append.ts",
      'import type { SessionStore } from "./store.ts";\nimport x from "../http/a.ts";',
      /ts:2: session/,
    ],
    [
      "src/service/search.ts",
      'import type { SessionStore } from "../session/store.ts";',
      /nobody but session\/transactions/,
    ],
    ["src/service/search.ts", 'import worker from "../worker.ts";', /nothing imports worker.ts/],
    ["src/http/app.ts", 'import { assemble } from "../assembly.ts";', /nothing but worker.ts imports assembly.ts/],
    ["src/service/search.ts", 'import { startService } from "../../scripts/dev/service.ts";', /which lies outside/],
    ["src/service/search.ts", 'import { pad } from "../service/utils.ts";', /name a file after what it holds/],
    ["src/attic/old.ts", "export const old = 1;", /src\/attic is no room of the house/],
    [
      "client/src/client.ts",
      'import { limits } from "../../src/contracts/limits.ts";',
      /nothing but types of contracts/,
    ],
    [
      "inspector/api.ts",
      'import { limits } from "../src/contracts/limits.ts";',
      /inspector may import nothing but types of contracts/,
    ],
    ["inspector/api.ts", 'import type { Log } from "../src/telemetry/log.ts";', /nothing but types of contracts/],
    ["inspector/api.ts", 'import { z } from "zod";', /inspector may import preact, .* alone, not zod/],
    ["client/src/client.ts", 'import { z } from "zod";', /client has no dependencies/],
    ["client/src/client.ts", 'import type { UIMessage } from "ai";', /client has no dependencies/],
    ["client/src/ai-sdk/memory.ts", 'import { streamText } from "ai";', /nothing but types of ai/],
    ["client/src/ai-sdk/memory.ts", 'import { z } from "zod";', /client has no dependencies/],
    ["src/service/search.ts", 'import { = "zod";', /cannot be parsed/],
    ["scripts/bench/host.ts", 'import { shardOf } from "../../tools/rig/shards.ts";', /the package leaves tools\/ out/],
  ];

  for (const [file, text, complaint] of planted) {
    it(`finds ${text.split("\n").at(-1)} in ${file}`, () => {
      const violations = check(file, text);
      expect(violations).toHaveLength(1);
      expect(violations[0]).toMatch(complaint);
      expect(violations[0]).toContain(`${file}:`);
    });
  }

  const allowed: [file: string, text: string][] = [
    ["src/worker.ts", 'import { ChatSession } from "./session/chat-session.ts";'],
    ["src/session/transactions.ts", 'import { SessionStore } from "./store.ts";'],
    ["src/session/append.ts", 'import type { SessionStore } from "./store.ts";'],
    ["src/contracts/page.ts", 'import { z } from "zod";\nimport { limits } from "./limits.ts";'],
    ["inspector/api.ts", 'import type { Message } from "../src/contracts/message.ts";'],
    ["src/access/principal.ts", 'import { Tenants } from "../registry/tenant-client.ts";'],
    ["src/summarizer/server.ts", 'import { createMcpHandler } from "agents/mcp/server";'],
    ["client/src/client.ts", 'import type { Message } from "../../src/contracts/message.ts";\nimport "./socket.ts";'],
    ["client/src/ai-sdk/memory.ts", 'import type { UIMessage } from "ai";'],
    ["client/src/langchain/history.ts", 'import { BaseMessage } from "@langchain/core/messages";'],
    ["scripts/start.ts", 'import { anything } from "../src/session/store.ts";'],
    ["tools/load/chat.ts", 'import { createTalk } from "../../scripts/bench/talk.ts";'],
  ];

  for (const [file, text] of allowed) {
    it(`lets ${file} have ${text.split("\n").at(0)}`, () => expect(check(file, text)).toEqual([]));
  }
});
