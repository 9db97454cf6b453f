// npm run capacity: the bill of a month for so many users, line by line. `--help` tells the rest.
import { readMeasured } from "./bill/measured.ts";
import type { Use } from "./bill/month.ts";
import { renderBill, renderOperations } from "./bill/tables.ts";
import { USERS, USUAL } from "./bill/usual.ts";
import { noneOf, readCommandLine, readNumber, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run capacity   what so many users cost in the first month and in the twelfth, line by line, at the platform's prices
  --users N[,N…]     (${USERS.join(",")})
  --turns N          questions with their answers, of a user on a day (${USUAL.turns})
  --days N           on which a user chats, of a month (${USUAL.days})
  --sessions N       that a user begins in a month (${USUAL.sessions})
  --awake SHARE      of questions that come within ten seconds of the answer before, 0 to 1 (${USUAL.awake})
  --traces SHARE     of requests whose spans are recorded: head_sampling_rate of the traces in wrangler.toml (${USUAL.traces})
  --logs SHARE       of requests whose log lines are written: THREADKEEP_LOG_SAMPLE (${USUAL.logs})
  --operations       what each operation takes, as measured, instead
What an operation takes was measured by npm run measure-capacity. A model is not in it. docs/capacity.md holds what this prints without options.
The most that one user can cost: npm run bill -- user`;

const OPTIONS = {
  users: { type: "string" },
  turns: { type: "string" },
  days: { type: "string" },
  sessions: { type: "string" },
  awake: { type: "string" },
  traces: { type: "string" },
  logs: { type: "string" },
  operations: { type: "boolean" },
} as const;

interface CapacityOptions {
  readonly use: Omit<Use, "users">;
  readonly users: readonly number[];
  readonly isOfOperations: boolean;
}

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals): CapacityOptions => {
  noneOf(positionals);
  const number = (name: "turns" | "days" | "sessions", min: number, max: number): number => {
    const text = values[name];
    return text === undefined ? USUAL[name] : readNumber(`--${name}`, text, min, max);
  };
  const share = (name: "awake" | "traces" | "logs"): number => readShare(`--${name}`, values[name], USUAL[name]);
  return {
    users: values.users?.split(",").map((text) => readNumber("--users", text, 1, 999_999_999)) ?? USERS,
    use: {
      ...USUAL,
      turns: number("turns", 1, 10_000),
      days: number("days", 1, 31),
      sessions: number("sessions", 1, 10_000),
      awake: share("awake"),
      traces: share("traces"),
      logs: share("logs"),
    },
    isOfOperations: values.operations ?? false,
  };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run capacity -- --help tells the options.",
  run: async ({ use, users, isOfOperations }) => {
    const measured = readMeasured();
    console.log(isOfOperations ? renderOperations(measured) : renderBill(use, users, measured));
    return EXIT.ok;
  },
});

function readShare(name: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  const share = Number(text);
  if (text.trim() === "" || !(share >= 0 && share <= 1)) throw new UsageFault(`${name} must be from 0 to 1`);
  return share;
}
