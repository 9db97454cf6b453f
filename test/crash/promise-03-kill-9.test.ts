import { randomInt } from "node:crypto";
import { expect, inject, it, onTestFinished } from "vitest";
import { killOnce } from "../../tools/crash/kill.ts";
import { type Victim } from "../../tools/crash/options.ts";
import { planKills } from "../../tools/crash/plan.ts";
import { openCrashRig } from "../../tools/crash/rig.ts";
import { startAgent } from "../../tools/drills/agent.ts";
import { makeStateDirectory } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** One of the service alone as well would cost another start of it; `npm run crash` has that, too. */
const VICTIMS: readonly Victim[] = ["postgres", "both"];
const WITHIN_MS = 400;
const CHATS = 4;
const LEAST = 8;

// What is pending is waited for by `npm run crash` alone: a job that a kill took along is done again after minutes.
it("loses no acknowledged message to kill -9 under load, of PostgreSQL alone and with the service, and doubles none", async () => {
  const [databaseDirectory, stateDir] = [makeStateDirectory(), makeTemporaryDirectory()];
  onTestFinished(() => [databaseDirectory, stateDir].forEach(removeDirectory));
  const agent = await startAgent();
  onTestFinished(() => agent.close());
  const env = { SUMMARIZER_MCP_URL: agent.url };
  const rig = await openCrashRig({ databaseDirectory, stateDir, bundleDir: inject("bundleDir"), env });
  onTestFinished(() => rig.stop());
  for (const [index, kill] of planKills(VICTIMS.length, VICTIMS, WITHIN_MS, randomInt(1_000_000)).entries()) {
    const { result } = await killOnce(rig, kill, { name: `kill-${index}`, chats: CHATS, least: LEAST });
    expect(result.acknowledgedBefore, JSON.stringify(result)).toBeGreaterThanOrEqual(CHATS * LEAST);
    expect(result.messages, JSON.stringify(result)).toBeGreaterThanOrEqual(result.acknowledged);
  }
}, 240_000);
