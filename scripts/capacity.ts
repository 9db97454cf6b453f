// npm run capacity: the monthly bill for a number of users, line by line. See `--help`.
import { readMeasured } from "./bill/measured.ts";
import { renderBill, renderOperations, renderSamplings } from "./bill/tables.ts";
import { USERS, USUAL } from "./bill/usual.ts";
import { createProgram, decimal, listOf, wholeNumber } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram(
  "npm run capacity --",
  "What so many users cost in the first month and in the twelfth, line by line, at the platform's prices.",
)
  .option("--users <n,…>", "users", listOf(wholeNumber(1, 999_999_999)), [...USERS])
  .option("--turns <n>", "questions with answers per user and day", wholeNumber(1, 10_000), USUAL.turns)
  .option("--days <n>", "days per month on which a user chats", wholeNumber(1, 31), USUAL.days)
  .option("--sessions <n>", "new sessions per user and month", wholeNumber(1, 10_000), USUAL.sessions)
  .option(
    "--awake <share>",
    "of questions that come within ten seconds of the answer before, 0 to 1",
    decimal(0, 1),
    USUAL.awake,
  )
  .option(
    "--traces <share>",
    "of requests whose spans are recorded: head_sampling_rate of the traces in wrangler.toml",
    decimal(0, 1),
    USUAL.traces,
  )
  .option(
    "--logs <share>",
    "share of requests whose log lines are recorded: THREADKEEP_LOG_SAMPLE",
    decimal(0, 1),
    USUAL.logs,
  )
  .option(
    "--points <share>",
    "share of operations that have a data point: THREADKEEP_METRICS_SAMPLE",
    decimal(0, 1),
    USUAL.points,
  )
  .option("--operations", "print the measured resources of each operation instead", false)
  .option("--sampling", "print what logs and traces cost with different rates instead", false)
  .addHelpText(
    "after",
    `
What an operation takes was measured by npm run measure-capacity. A model is not in it. docs/capacity.md holds what
this prints without options. The most that one user can cost: npm run bill -- user

Example:
  npm run capacity -- --users 1000,50000 --turns 30`,
  )
  .action(({ users, operations, sampling, ...chosen }) => {
    const measured = readMeasured();
    const use = { ...USUAL, ...chosen };
    if (operations) console.log(renderOperations(measured));
    else if (sampling) console.log(renderSamplings(use, users, measured));
    else console.log(renderBill(use, users, measured));
  });

await runProgram(program);
