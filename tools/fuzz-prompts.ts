// npm run fuzz:prompts: random chats through every format at every budget. `--help` tells the rest.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import path from "node:path";
import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";

const MAX_CHATS = 10_000_000;
const MAX_SEED = 2 ** 31 - 1;
/** By the paths that vitest filters by. */
const TESTS = ["test/unit/promise-13", "test/unit/prefix", "test/unit/bare-ai-sdk"];

const program = createProgram(
  "npm run fuzz:prompts --",
  "Random chats through every format of prompts, at every budget.",
)
  .option("--chats <n>", "so many random chats for each property", wholeNumber(1, MAX_CHATS), 1_000)
  .option(
    "--seed <n>",
    "the same chats for the same seed (default: one that chance chooses, and that is told)",
    wholeNumber(1, MAX_SEED),
  )
  .addHelpText(
    "after",
    `
Each prompt must be legal for its provider, within its budget by a real tokenizer, with each call beside its own result
and the question there, have a prefix that stays, and be the request that the AI SDK would send by itself. A failure is cut
down to a small chat. The tests of each run do the same with few chats and one seed.

Example:
  npm run fuzz:prompts -- --chats 100000`,
  )
  .action(async ({ chats, seed = randomInt(1, MAX_SEED) }) => {
    console.log(`${chats} chats a property, seed ${seed}`);
    const vitest = path.resolve("node_modules/vitest/vitest.mjs");
    const args = ["--no-warnings", vitest, "run", "--project", "unit", "--testTimeout=0", ...TESTS];
    const env = { ...process.env, PROMPT_CHATS: String(chats), PROMPT_SEED: String(seed) };
    const child = spawn(process.execPath, args, { env, stdio: "inherit" });
    const code = await new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
      child.once("error", () => resolve(null));
    });
    process.exitCode = code === 0 ? EXIT.ok : EXIT.failed;
  });

await runProgram(program);
