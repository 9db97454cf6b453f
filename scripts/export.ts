// npm run export -- FILE: writes what is stored about a user, or a session, to a file. See `--help`.
import { stateFolder } from "./dev/paths.ts";
import { exportProgram } from "./export/options.ts";
import { runExport } from "./export/run-export.ts";
import { runProgram, untilInterrupted } from "./program/run-program.ts";

const { stderr, env } = process;
await runProgram(
  exportProgram((options) =>
    untilInterrupted((interrupt) => runExport(options, { stderr, env, stateDirectory: stateFolder, interrupt })),
  ),
);
