import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { StartError } from "../../scripts/dev/start-error.ts";
import { noneOf, readCommandLine, readNumber, UsageFault } from "../../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../../scripts/program/run-program.ts";

const OPTIONS = { times: { type: "string", default: "1" } } as const;

const read = (...args: string[]) =>
  readCommandLine(args, OPTIONS, ({ times }, positionals) => {
    noneOf(positionals);
    return { times: readNumber("--times", times, 1, 12) };
  });

describe("the command line of any program", () => {
  it("has defaults, and asks for help whatever else it says", () => {
    expect(read()).toEqual({ options: { times: 1 } });
    expect(read("--times", "12")).toEqual({ options: { times: 12 } });
    for (const help of ["--help", "-h"]) expect(read("extra", "--times", "0", help)).toEqual({ help: true });
  });

  it.each([
    [["--tims", "2"], "--tims"],
    [["--times"], "--times"],
    [["extra"], 'unknown argument "extra"'],
    ...["0", "13", "-1", "1.5", "1e1", "", " 2", "two"].map((text): [string[], string] => [
      [`--times=${text}`],
      `--times must be a whole number from 1 to 12, not ${JSON.stringify(text)}`,
    ]),
  ])("%j is refused, with what is wrong", (args, reason) => {
    expect(read(...args)).toEqual({ fault: expect.stringContaining(reason) });
  });

  it("does not take a fault of the program for one of whoever calls it", () => {
    expect(() => readCommandLine([], {}, () => ({ now: failOfItself() }))).toThrow("of itself");
  });
});

function failOfItself(): never {
  throw new Error("of itself");
}

describe("a program", () => {
  let codeBefore: typeof process.exitCode;
  const told = { out: vi.fn<typeof console.log>(), err: vi.fn<typeof console.error>() };
  beforeEach(() => {
    codeBefore = process.exitCode;
    vi.spyOn(console, "log").mockImplementation(told.out);
    vi.spyOn(console, "error").mockImplementation(told.err);
  });
  afterEach(() => {
    process.exitCode = codeBefore;
    vi.restoreAllMocks();
    for (const one of [told.out, told.err]) one.mockReset();
  });
  const program = (run: () => Promise<number>) => ({ help: "HELP", hint: "HINT", run });
  const failing = (fault: Error) =>
    program(async () => {
      throw fault;
    });

  it("that is asked for help does nothing else", async () => {
    await runProgram({ help: true }, failing(new Error("it ran")));
    expect(told.out).toHaveBeenCalledExactlyOnceWith("HELP");
    expect(told.err).not.toHaveBeenCalled();
  });

  it("that is called wrongly, as far as it can tell at once or later, ends with 64 and says where to look", async () => {
    await runProgram({ fault: "no" }, failing(new Error("it ran")));
    expect(told.err).toHaveBeenLastCalledWith("no\nHINT");
    expect(process.exitCode).toBe(EXIT.usage);
    process.exitCode = 0;
    await runProgram({ options: {} }, failing(new UsageFault("not there")));
    expect(told.err).toHaveBeenLastCalledWith("not there\nHINT");
    expect(process.exitCode).toBe(EXIT.usage);
  });

  it("tells by its message what a person can mend, and by its stack what is a fault of ours", async () => {
    await runProgram({ options: {} }, failing(new StartError("Port 1 is taken")));
    expect(told.err).toHaveBeenLastCalledWith("\nPort 1 is taken");
    const ours = new TypeError("undefined is not a function");
    await runProgram({ options: {} }, failing(ours));
    expect(told.err).toHaveBeenLastCalledWith(ours);
    expect(process.exitCode).toBe(EXIT.failed);
  });

  it("ends with the code that it gives itself", async () => {
    await runProgram(
      { options: {} },
      program(async () => 3),
    );
    expect(process.exitCode).toBe(3);
  });
});
