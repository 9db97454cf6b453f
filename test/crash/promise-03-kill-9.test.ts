import { randomInt } from "node:crypto";
import { expect, inject, it, onTestFinished } from "vitest";
import { killOnce } from "../../tools/crash/kill.ts";
import { type Victim } from "../../tools/crash/options.ts";
import { planKills } from "../../tools/crash/plan.ts";
import { openCrashRig } from "../../tools/crash/rig.ts";
import { startAgent } from "../../tools/drills/agent.ts";
import { makeStateDirectory } from "../support/service.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

/** Killing the service alone would cost another start; `npm run crash` does that, too. */
const VICTIMS: readonly Victim[] = ["postgres", "both"];
const WITHIN_MS = 400;
const CHATS = 4;
const LEAST = 8;

// Only `npm run crash` waits for pending work, because an interrupted job is repeated after minutes.
it("loses or doubles no acknowledged message when PostgreSQL, alone or with the service, is killed under load", async () => {
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
