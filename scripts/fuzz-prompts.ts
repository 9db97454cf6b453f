// npm run fuzz:prompts: random chats through every format at every budget. `--help` tells the rest.
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import path from "node:path";
import { noneOf, readCommandLine, readNumber } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run fuzz:prompts -- --chats N   so many random chats (1000) for each property of prompts: legal for its provider, within its budget by a real
                                  tokenizer, each call with its own result, the question there, a prefix that stays,
                                  the request that the AI SDK would send by itself
  --seed S      the same chats for the same seed; else one that chance chooses, and that is told
A failure is cut down to a small chat. The tests of each run do the same with few chats and one seed.`;

const MAX_CHATS = 10_000_000;
const MAX_SEED = 2 ** 31 - 1;
/** By the paths that vitest filters by. */
const TESTS = ["test/unit/promise-13", "test/unit/prefix", "test/unit/bare-ai-sdk"];

const commandLine = readCommandLine(
  process.argv.slice(2),
  { chats: { type: "string", default: "1000" }, seed: { type: "string" } } as const,
  ({ chats, seed }, positionals) => {
    noneOf(positionals);
    return {
      chats: readNumber("--chats", chats, 1, MAX_CHATS),
      seed: seed === undefined ? randomInt(1, MAX_SEED) : readNumber("--seed", seed, 1, MAX_SEED),
    };
  },
);

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run fuzz:prompts -- --help tells the options.",
  run: async ({ chats, seed }) => {
    console.log(`${chats} chats a property, seed ${seed}`);
    const vitest = path.resolve("node_modules/vitest/vitest.mjs");
    const args = ["--no-warnings", vitest, "run", "--project", "unit", "--testTimeout=0", ...TESTS];
    const env = { ...process.env, PROMPT_CHATS: String(chats), PROMPT_SEED: String(seed) };
    const child = spawn(process.execPath, args, { env, stdio: "inherit" });
    const code = await new Promise<number | null>((resolve) => {
      child.once("exit", resolve);
      child.once("error", () => resolve(null));
    });
    return code === 0 ? EXIT.ok : EXIT.failed;
  },
});
