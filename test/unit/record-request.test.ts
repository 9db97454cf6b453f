import { Hono } from "hono";
import { expect, it } from "vitest";
import type { HttpEnv } from "../../src/http/env.ts";
import { recordRequest } from "../../src/http/middleware/record-request.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { continueTrace } from "../../src/telemetry/trace.ts";

it("a request that the service could not answer is in the log whatever the sample is, and others as the sample says", async () => {
  const lines: string[] = [];
  const log = createLog({ sample: 0, write: (level, line) => void lines.push(`${level} ${line}`) });
  const app = new Hono<HttpEnv>();
  app.use(async (c, next) => {
    c.set("trace", continueTrace(null));
    await next();
  });
  app.use(recordRequest(log, () => undefined));
  app.get("/answered/:status", (c) => new Response(null, { status: Number(c.req.param("status")) }));
  for (const status of [200, 404, 429, 500, 503]) await app.request(`http://threadkeep.test/answered/${status}`);
  expect(lines).toEqual([
    expect.stringMatching(/^warn .*"event":"request".*"route":"\/answered\/\{status\}","status":500/),
    expect.stringMatching(/^warn .*"event":"request".*"status":503/),
  ]);
});
