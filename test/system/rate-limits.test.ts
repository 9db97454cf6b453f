import { cpSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, inject, it, onTestFinished } from "vitest";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { bundlePaths } from "../../scripts/dev/worker-bundle.ts";
import type { ReadWorkerOptions } from "../../scripts/dev/worker-messages.ts";
import { LAST } from "../../tools/fuzz-api/as-user.ts";
import { sendFrames } from "../../tools/fuzz-api/send-frames.ts";
import { call, sharedService, startOwnService } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** A bundle whose users may send so many requests and frames before they are refused for as long as the test takes. */
function bundleWithLimit(limit: number): string {
  const folder = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(folder));
  const directory = path.join(folder, "bundle");
  cpSync(inject("bundleDir"), directory, { recursive: true });
  const file = bundlePaths(directory).options;
  const content: ReadWorkerOptions = JSON.parse(readFileSync(file, "utf8"));
  const ratelimits = { ...content.options.ratelimits, RATE_LIMIT_USER: { simple: { limit, period: 1e9 } } };
  writeFileSync(file, JSON.stringify({ ...content, options: { ...content.options, ratelimits } }));
  return directory;
}

it("counts a user's requests and frames together, in the Worker and in the session's object", async () => {
  const service = await startOwnService({
    bundleDir: bundleWithLimit(4),
    databaseUrl: sharedService().databaseUrl,
    env: { THREADKEEP_RATE_LIMITS: "on" },
  });
  const { issuerKey } = statePaths(service.stateDir);
  const [mallory, ada] = await Promise.all(["mallory", "ada"].map((user) => signUserToken(issuerKey, { user })));
  const append = (key = "") =>
    call(service, "POST", "/v1/sessions/s/messages", {
      key,
      body: { messages: [{ role: "user", content: "Hello." }] },
    });
  expect((await append(mallory)).status).toBe(201);
  // Opening the socket is the second request, and the first two frames are the third and the fourth.
  const frames = ["a", "b", LAST].map((id) => JSON.stringify({ type: "context", id }));
  const { texts } = await sendFrames(service.url, "/v1/sessions/s/live?since=999", mallory ?? "", frames);
  const answers = texts.map((text) => JSON.parse(text)).filter(({ id }) => id !== undefined);
  expect(answers).toMatchObject([
    { type: "answer", id: "a" },
    { type: "answer", id: "b" },
    { type: "error", id: LAST, error: { code: "rate_limited" } },
  ]);
  expect((await append(mallory)).status).toBe(429);
  expect((await append(ada)).status).toBe(201);
});
