// npm run fuzz:prompts: random chats in every format and budget.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import path from "node:path";
import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";

const MAX_CHATS = 10_000_000;
const MAX_SEED = 2 ** 31 - 1;
/** Parts of paths, by which vitest selects files. */
const TESTS = ["test/unit/promise-13", "test/unit/prefix", "test/unit/bare-ai-sdk"];

const program = createProgram(
  "npm run fuzz:prompts --",
  "Renders random chats in every prompt format, at every budget, and checks the prompts.",
)
  .option("--chats <n>", "random chats for each property", wholeNumber(1, MAX_CHATS), 1_000)
  .option(
    "--seed <n>",
    "the same chats for the same seed (default: a random seed, which is printed)",
    wholeNumber(1, MAX_SEED),
  )
  .addHelpText(
    "after",
    `
Each prompt must be valid for its provider, within its budget by a real tokenizer, with each call next to its own result
and with the newest question; its prefix must stay stable; and the AI SDK must send it unchanged. A failure is reduced
to a small chat. npm test does the same with a few chats and one seed.

Example:
  npm run fuzz:prompts -- --chats 100000`,
  )
  .action(async ({ chats, seed = randomInt(1, MAX_SEED) }) => {
    console.log(`${chats} chats for each property, seed ${seed}`);
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
