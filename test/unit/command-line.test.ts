import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StartError } from "../../scripts/dev/start-error.ts";
import { createProgram, decimal, json, listOf, UsageFault, wholeNumber } from "../../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../../scripts/program/run-program.ts";
import { sessionSettingsSchema } from "../../src/api/session.ts";
import { readCommandLine } from "../support/command-line.ts";

interface Options {
  readonly times: number;
}

const makeProgram = (run: (options: Options) => Promise<number>) =>
  createProgram("npm run wave --", "Waves.")
    .option("--times <n>", "how often", wholeNumber(1, 12), 1)
    .option("--slowly", "takes its time", false)
    .action(async ({ times }) => {
      process.exitCode = await run({ times });
    });
const read = (...args: string[]) => readCommandLine(makeProgram, args);

describe("the command line of any program", () => {
  it("has defaults, and shows help whatever the other arguments are", async () => {
    expect(await read()).toEqual({ options: { times: 1 } });
    expect(await read("--times", "12")).toEqual({ options: { times: 12 } });
    for (const help of ["--help", "-h"]) {
      const told = await read("extra", "--times", "0", "--nonsense", help);
      expect(told).toEqual({ help: expect.stringContaining("Usage: npm run wave -- [options]") });
      expect(told).toEqual({
        help: expect.stringMatching(/--times <n> +how often \(default: 1\)\n +--slowly +takes its time\n/),
      });
    }
    expect(await read("--", "--help")).toHaveProperty("fault");
  });

  it.each([
    [["--tims", "2"], "Unknown option '--tims' (Did you mean --times?)"],
    [["--times"], "Option '--times <n>' argument missing"],
    [["extra"], 'Unknown argument "extra"'],
    ...["0", "13", "-1", "1.5", "1e1", "", " 2", "two"].map((text): [string[], string] => [
      [`--times=${text}`],
      `Option '--times <n>' argument '${text}' is invalid. It must be a whole number from 1 to 12.`,
    ]),
  ])("%j is refused, with what is wrong", async (args, fault) => {
    expect(await read(...args)).toEqual({ fault });
  });

  it("reads lists, fractions and JSON, and says what is wrong with them", () => {
    expect(listOf(wholeNumber(1, 9), 2)("1, 9")).toEqual([1, 9]);
    expect(() => listOf(wholeNumber(1, 9), 2)("1,2,3")).toThrow("at most 2 values");
    expect(() => listOf(wholeNumber(1, 9))("1,,2")).toThrow("from 1 to 9");
    expect(decimal(0, 1)("0.25")).toBe(0.25);
    for (const text of ["", " ", "2", "-0.1", "half", "NaN"]) expect(() => decimal(0, 1)(text)).toThrow("from 0 to 1");
    expect(() => decimal(0, Infinity)("-1")).toThrow("at least 0");
    expect(json(sessionSettingsSchema)('{"maxTokens": 4000}')).toEqual({ maxTokens: 4_000 });
    expect(() => json(sessionSettingsSchema)("{")).toThrow("It must be JSON.");
    expect(() => json(sessionSettingsSchema)('{"maxTokens": "many"}')).toThrow(/^maxTokens /);
  });
});

describe("a program", () => {
  const before = { code: process.exitCode, argv: process.argv };
  const told = { out: vi.fn<typeof process.stdout.write>(() => true), err: vi.fn<typeof console.error>() };
  beforeEach(() => {
    process.exitCode = 0;
    vi.spyOn(process.stdout, "write").mockImplementation(told.out);
    vi.spyOn(console, "error").mockImplementation(told.err);
  });
  afterEach(() => {
    process.exitCode = before.code;
    process.argv = before.argv;
    vi.restoreAllMocks();
    for (const one of Object.values(told)) one.mockClear();
  });
  const runWith = (args: string[], run: () => Promise<number>) => {
    process.argv = ["node", "wave.ts", ...args];
    return runProgram(makeProgram(run));
  };
  const failing = (fault: Error) => async (): Promise<number> => {
    throw fault;
  };

  it("that is asked for help does nothing else", async () => {
    await runWith(["--help"], failing(new Error("it ran")));
    expect(told.out).toHaveBeenCalled();
    expect(told.err).not.toHaveBeenCalled();
    expect(process.exitCode).toBe(EXIT.ok);
  });

  it("with a wrong command line, noticed at once or later, ends with 64 and one line that says where help is", async () => {
    await runWith(["--tims"], failing(new Error("it ran")));
    expect(told.err).toHaveBeenLastCalledWith(
      "Unknown option '--tims' (Did you mean --times?). For help: npm run wave -- --help",
    );
    expect(process.exitCode).toBe(EXIT.usage);
    process.exitCode = 0;
    await runWith([], failing(new UsageFault("the sea is\n  not there")));
    expect(told.err).toHaveBeenLastCalledWith("The sea is not there. For help: npm run wave -- --help");
    expect(process.exitCode).toBe(EXIT.usage);
  });

  it("prints a message for what a person can fix, and a stack for a bug", async () => {
    await runWith([], failing(new StartError("Port 1 is taken")));
    expect(told.err).toHaveBeenLastCalledWith("\nPort 1 is taken");
    const ours = new TypeError("undefined is not a function");
    await runWith([], failing(ours));
    expect(told.err).toHaveBeenLastCalledWith(ours);
    expect(process.exitCode).toBe(EXIT.failed);
  });

  it("ends with its own exit code", async () => {
    await runWith([], async () => 3);
    expect(process.exitCode).toBe(3);
  });

  it("of an installed package says how to start it there", async () => {
    vi.stubEnv("TK_HOME", "/somewhere");
    try {
      expect(makeProgram(async () => 0).name()).toBe("npx threadkeep wave");
      expect(createProgram("node scripts/run.mjs mcp", "").name()).toBe("npx threadkeep mcp");
      expect(createProgram("npm run --silent token --", "").name()).toBe("npx threadkeep token");
      expect(createProgram("npm start --", "").name()).toBe("npx threadkeep start");
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
