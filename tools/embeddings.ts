// npm run embeddings: an embedding model on this machine, for tests and measurements. `--help` tells the rest.
import { noneOf, readCommandLine, UsageFault } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { SENTENCE_ENCODER, serveEmbeddings } from "./embeddings/serve-embeddings.ts";

const HELP = `npm run embeddings -- [--port 0]     serves a small English embedding model (the Universal Sentence Encoder, 512 dimensions) on
loopback, as OpenAI's API does, and says how a service finds it. It is for tests and measurements: published models are better. Ctrl-C stops it`;

const commandLine = readCommandLine(
  process.argv.slice(2),
  { port: { type: "string", default: "0" } },
  ({ port = "0" }, positionals) => {
    noneOf(positionals);
    if (!/^\d{1,5}$/.test(port)) throw new UsageFault("--port must be a number; 0 takes whichever is free");
    return { port: Number(port) };
  },
);

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run embeddings -- --help tells the options.",
  run: ({ port }) =>
    untilInterrupted(async (signal) => {
      const server = await serveEmbeddings(port);
      console.log(
        `THREADKEEP_EMBEDDINGS=openai-compatible/${SENTENCE_ENCODER} THREADKEEP_EMBEDDINGS_BASE_URL=${server.url}/v1 npm start`,
      );
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      await server.close();
      return EXIT.ok;
    }),
});
