// npm run embeddings: an embedding model on this machine, for tests and measurements.
import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram, untilInterrupted } from "../scripts/program/run-program.ts";
import { SENTENCE_ENCODER, serveEmbeddings } from "./embeddings/serve-embeddings.ts";

const program = createProgram(
  "npm run embeddings --",
  "Serves a small English embedding model on loopback, in the form of OpenAI's API, until Ctrl-C. It prints how to use it with a service.",
)
  .option("--port <n>", "the port; 0 takes any free one", wholeNumber(0, 65_535), 0)
  .addHelpText(
    "after",
    `
The model is the Universal Sentence Encoder with 512 dimensions. It is for tests and measurements: other published
models are better.

Example:
  npm run embeddings -- --port 9100`,
  )
  .action(async ({ port }) => {
    process.exitCode = await untilInterrupted(async (signal) => {
      const server = await serveEmbeddings(port);
      console.log(
        `THREADKEEP_EMBEDDINGS=openai-compatible/${SENTENCE_ENCODER} THREADKEEP_EMBEDDINGS_BASE_URL=${server.url}/v1 npm start`,
      );
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      await server.close();
      return EXIT.ok;
    });
  });

await runProgram(program);
