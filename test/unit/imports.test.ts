import { describe, expect, it } from "vitest";
import { findImportViolations } from "../../tools/check/import-rules.ts";

function check(file: string, text: string): string[] {
  return findImportViolations(new Map([[file, text]]));
}

describe("the import rules", () => {
  const planted: [file: string, text: string, complaint: RegExp][] = [
    ["src/prompt/cut.ts", 'import { log } from "../telemetry/log.ts";', /prompt may not import telemetry\/log/],
    ["src/prompt/cut.ts", 'import { z } from "zod";', /prompt may import node:buffer, node:zlib alone, not zod/],
    ["src/prompt/cut.ts", 'import fs from "node:fs";', /node:zlib alone, not node:fs/],
    ["src/api/page.ts", 'import { Hono } from "hono";', /api may import zod alone, not hono/],
    ["src/api/page.ts", 'import type { Cut } from "../prompt/cut.ts";', /api may not import prompt\/cut/],
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
      'import { Directory } from "../directory/directory.ts";',
      /may not import directory\/directory;/,
    ],
    [
      "src/pipeline/consume.ts",
      'import { SessionStore } from "../session/store.ts";',
      /only session\/transactions may import/,
    ],
    [
      "src/session/log/append.ts",
      'import { SessionStore } from "../store.ts";',
      /only session\/transactions may import/,
    ],
    ["src/session/outbox/jobs.ts", 'import { JobStore } from "./job-store.ts";', /only session\/store may import/],
    [
      "src/session/log/append.ts",
      'import type { SessionStore } from "../store.ts";\nimport x from "../../http/a.ts";',
      /ts:2: session\/log may not import http\/a/,
    ],
    [
      "src/session/log/append.ts",
      'import { newJob } from "../outbox/jobs.ts";',
      /outside of session\/outbox may import only its index/,
    ],
    [
      "src/session/object.ts",
      'import type { Feed } from "./log/feed.ts";',
      /outside of session\/log may import only its index/,
    ],
    ["src/session/client.ts", 'export { newJob } from "./outbox/jobs.ts";', /may import only its index/],
    ["src/session/log/append.ts", 'import { pace } from "../../access/pace.ts";', /session\/log may not import access/],
    ["src/usecases/search.ts", 'import { find } from "../session/search/index.ts";', /usecases may not import session/],
    ["src/tokens/estimate.ts", 'import { cut } from "../prompt/cut.ts";', /tokens may not import prompt\/cut/],
    ["src/rpc/threadkeep.ts", 'import { routes } from "../http/app.ts";', /rpc may not import http\/app/],
    [
      "src/directory/owners.ts",
      'import { Operations } from "../control/operations.ts";',
      /directory may not import control\/operations/,
    ],
    ["src/usecases/search.ts", 'import { seed } from "../../simulation/random.ts";', /which is outside of src/],
    [
      "scripts/demo.ts",
      'import { seed } from "../simulation/random.ts";',
      /the npm package does not contain simulation/,
    ],
    ["simulation/clients.ts", 'import { talk } from "../tools/bench/talk.ts";', /simulation may not import tools/],
    [
      "src/usecases/search.ts",
      'import type { SessionStore } from "../session/store.ts";',
      /only session\/transactions may import/,
    ],
    ["src/usecases/search.ts", 'import worker from "../worker.ts";', /no file may import worker.ts/],
    ["src/http/app.ts", 'import { assemble } from "../assembly.ts";', /only worker.ts may import assembly.ts/],
    [
      "src/usecases/search.ts",
      'import { startService } from "../../scripts/dev/service.ts";',
      /which is outside of src/,
    ],
    ["src/usecases/search.ts", 'import { pad } from "../usecases/utils.ts";', /name a file after its contents/],
    ["src/attic/old.ts", "export const old = 1;", /src\/attic is not a known room/],
    ["client/src/client.ts", 'import { limits } from "../../src/api/limits.ts";', /only types of api/],
    ["inspector/api.ts", 'import { limits } from "../src/api/limits.ts";', /inspector may import only types of api/],
    ["inspector/api.ts", 'import type { Log } from "../src/telemetry/log.ts";', /only types of api/],
    ["inspector/api.ts", 'import { z } from "zod";', /inspector may import only preact, .*, not zod/],
    ["client/src/client.ts", 'import { z } from "zod";', /client has no dependencies/],
    ["client/src/client.ts", 'import type { UIMessage } from "ai";', /client has no dependencies/],
    ["client/src/ai-sdk/memory.ts", 'import { streamText } from "ai";', /only types of ai/],
    ["client/src/ai-sdk/memory.ts", 'import { z } from "zod";', /client has no dependencies/],
    ["src/usecases/search.ts", 'import { = "zod";', /cannot be parsed/],
    [
      "scripts/demo/host.ts",
      'import { shardOf } from "../../tools/rig/shards.ts";',
      /the npm package does not contain tools/,
    ],
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
    ["src/worker.ts", 'import { ChatSession } from "./session/object.ts";'],
    ["src/session/transactions.ts", 'import { SessionStore } from "./store.ts";'],
    ["src/session/log/append.ts", 'import type { SessionStore } from "../store.ts";'],
    ["src/session/log/append.ts", 'import { newJob } from "../outbox/index.ts";\nimport { idOf } from "./ids.ts";'],
    ["src/session/live/frames.ts", 'import { pace } from "../../access/pace.ts";'],
    ["src/directory/owners.ts", 'import type { Operations } from "../control/operations.ts";'],
    ["src/api/page.ts", 'import { z } from "zod";\nimport { limits } from "./limits.ts";'],
    ["inspector/api.ts", 'import type { Message } from "../src/api/message.ts";'],
    ["src/access/principal.ts", 'import { Tenants } from "../tenant/client.ts";'],
    ["src/summarizer/server.ts", 'import { createMcpHandler } from "agents/mcp/server";'],
    ["client/src/client.ts", 'import type { Message } from "../../src/api/message.ts";\nimport "./socket.ts";'],
    ["client/src/ai-sdk/memory.ts", 'import type { UIMessage } from "ai";'],
    ["client/src/langchain/history.ts", 'import { BaseMessage } from "@langchain/core/messages";'],
    ["tools/fuzz.ts", 'import { shrink } from "../simulation/shrink.ts";'],
    ["scripts/start.ts", 'import { anything } from "../src/session/store.ts";'],
    ["tools/load/chat.ts", 'import { createTalk } from "../bench/talk.ts";'],
  ];

  for (const [file, text] of allowed) {
    it(`lets ${file} have ${text.split("\n").at(0)}`, () => expect(check(file, text)).toEqual([]));
  }

  describe("an import through an index", () => {
    const outbox = 'export { newJob } from "./jobs.ts";\nexport { JobStore } from "./job-store.ts";';
    const summary = 'export { settle } from "./rebase.ts";';
    const house = (files: Record<string, string>): string[] =>
      findImportViolations(
        new Map([
          ["src/session/outbox/index.ts", outbox],
          ["src/session/summary/index.ts", summary],
          ...Object.entries(files),
        ]),
      );

    it("finds a file that only one other file may import", () => {
      expect(house({ "src/session/log/append.ts": 'import { JobStore } from "../outbox/index.ts";' })).toEqual([
        "src/session/log/append.ts:1: only session/store may import session/outbox/job-store",
      ]);
      expect(house({ "src/session/store.ts": 'import { JobStore } from "./outbox/index.ts";' })).toEqual([]);
    });

    it("finds files that import each other in a circle", () => {
      const circle = {
        "src/session/outbox/jobs.ts": 'import { settle } from "../summary/index.ts";',
        "src/session/summary/rebase.ts": 'import { newJob } from "../outbox/index.ts";',
      };
      const [found, ...rest] = house(circle);
      expect(rest).toEqual([]);
      expect(found).toContain("in a circle: session/outbox/jobs → session/summary/rebase → session/outbox/jobs");
    });

    it("allows two slices to use each other if none of their files do, or if only types are used", () => {
      const files = {
        "src/session/outbox/idle.ts": 'import { settle } from "../summary/index.ts";',
        "src/session/outbox/jobs.ts": 'import type { settle } from "../summary/index.ts";',
        "src/session/summary/rebase.ts": 'import { newJob } from "../outbox/index.ts";',
      };
      expect(house(files)).toEqual([]);
    });
  });
});
