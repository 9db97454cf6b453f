// npm run measure-inspector: how soon the inspector can be used. `--help` tells the rest.
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { StartError } from "../scripts/dev/start-error.ts";
import { noneOf, readCommandLine, readNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { openBrowser } from "../test/support/browser.ts";
import { goTo, openInspector } from "../test/support/inspector-page.ts";
import { startTemporaryService } from "./inspector/temporary-service.ts";

/** What the inspector is held to, on two cores. */
const LIMITS = { scriptKiB: 100, firstPaintMs: 1_000, usableMs: 2_000 } as const;
const BATCH = 100;
const WORDS =
  "We talk about trains, lakes, hotels and what to eat on the way, and nobody is in a hurry to decide anything.";

const HELP = `npm run measure-inspector -- [OPTION…]     starts a service of its own, and tells how soon its inspector can be used

  --messages N     messages of the session that is opened (default: 10000)

It fails past ${LIMITS.scriptKiB} KiB of script (gzip) on the first view, ${LIMITS.firstPaintMs} ms to the first paint, or ${LIMITS.usableMs} ms until the transcript can be read and scrolled.`;

const commandLine = readCommandLine(
  process.argv.slice(2),
  { messages: { type: "string", default: "10000" } } as const,
  (values, positionals) => {
    noneOf(positionals);
    return { messages: readNumber("--messages", values.messages, 1, 100_000) };
  },
);

await runProgram(commandLine, { help: HELP, hint: HELP, run: ({ messages }) => measure(messages) });

async function measure(messages: number): Promise<number> {
  const browser = await openBrowser();
  if (browser === null) throw new StartError("There is no Chrome on this machine. Install it, then run this again.");
  const service = await startTemporaryService();
  try {
    for (let from = 0; from < messages; from += BATCH) {
      const body = {
        messages: Array.from({ length: Math.min(BATCH, messages - from) }, (_, index) => ({
          role: index % 2 === 0 ? "user" : "assistant",
          content: `Turn ${from + index + 1}. ${WORDS}`,
        })),
      };
      const response = await fetch(`${service.url}/v1/sessions/long/messages`, {
        method: "POST",
        headers: { authorization: `Bearer ${service.apiKey}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (response.status !== 201) throw new Error(await response.text());
    }
    const { page, requests, close } = await openInspector(browser, service);
    const firstPaintMs: number = await page.evaluate(
      "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.MAX_VALUE",
    );
    let scriptBytes = 0;
    for (const request of requests.filter((one) => one.resourceType() === "script")) {
      const response = await request.response();
      scriptBytes += gzipSync((await response?.body()) ?? "").byteLength;
    }
    const usableMs = await openLong(page, messages);
    const jumpMs = await jumpToMiddle(page, messages);
    await close();
    const scriptKiB = scriptBytes / 1_024;
    console.log(`script on the first view      ${scriptKiB.toFixed(0)} KiB gzip (limit ${LIMITS.scriptKiB})
first paint                   ${firstPaintMs.toFixed(0)} ms (limit ${LIMITS.firstPaintMs})
${String(messages).padEnd(6)} messages usable after ${usableMs.toFixed(0)} ms (limit ${LIMITS.usableMs})
a jump to the middle          ${jumpMs.toFixed(0)} ms until it can be read`);
    const isWell = scriptKiB <= LIMITS.scriptKiB && firstPaintMs <= LIMITS.firstPaintMs && usableMs <= LIMITS.usableMs;
    return isWell ? EXIT.ok : EXIT.failed;
  } finally {
    await service.close();
    await browser.close();
  }
}

/** From the click until the newest message and what the model gets are there. */
async function openLong(page: Page, messages: number): Promise<number> {
  const beganAt = performance.now();
  await goTo(page, "#/sessions/long");
  await page.locator(`article[data-seq="${messages}"]`).getByText(`Turn ${messages}.`).waitFor();
  await page.getByText("For the next answer the model gets").waitFor();
  return performance.now() - beganAt;
}

async function jumpToMiddle(page: Page, messages: number): Promise<number> {
  const beganAt = performance.now();
  await page.getByRole("region", { name: "Messages" }).evaluate((list) => list.scrollTo(0, list.scrollHeight / 2));
  const start = String(messages / 2).slice(0, 1);
  await page
    .locator("article", { hasText: new RegExp(`Turn [${Number(start) - 1}${start}]\\d{3}\\.`) })
    .first()
    .waitFor();
  return performance.now() - beganAt;
}
