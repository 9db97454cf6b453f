// npm run measure-inspector: how soon the inspector can be used.
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import type { Service } from "../scripts/dev/service.ts";
import { StartError } from "../scripts/dev/start-error.ts";
import { createProgram, wholeNumber } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { openBrowser } from "../test/support/browser.ts";
import { goTo, openInspector } from "../test/support/inspector-page.ts";
import { startTemporaryService } from "./inspector/temporary-service.ts";

/** Limits for the inspector, on two cores. */
const LIMITS = { scriptKiB: 100, firstPaintMs: 1_000, usableMs: 2_000, drawn: 60 } as const;
const BATCH = 100;
/** Parallel requests while sessions are created. */
const WIDTH = 16;
/** Far longer than any of it takes. */
const PATIENCE_MS = 120_000;
const WORDS =
  "We talk about trains, lakes, hotels and what to eat on the way, and nobody is in a hurry to decide anything.";

const program = createProgram(
  "npm run measure-inspector --",
  "Starts a service, and measures how soon its inspector can be used.",
)
  .option("--messages <n>", "messages in the session that is opened", wholeNumber(1, 100_000), 10_000)
  .option(
    "--sessions <n>",
    "sessions in the list that is scrolled to its end and searched",
    wholeNumber(1, 100_000),
    500,
  )
  .option("--no-times", "do not judge times, on a machine with other work")
  .addHelpText(
    "after",
    `
It fails if a list draws more than ${LIMITS.drawn} rows, if the first view loads more than ${LIMITS.scriptKiB} KiB of
script (gzip), or if it takes more than ${LIMITS.firstPaintMs} ms to the first paint, or more than ${LIMITS.usableMs} ms
until the transcript can be read and scrolled.`,
  )
  .action(async ({ messages, sessions, times }) => {
    process.exitCode = await measure({ messages, sessions, judgesTimes: times });
  });

await runProgram(program);

interface Asked {
  readonly messages: number;
  readonly sessions: number;
  readonly judgesTimes: boolean;
}

async function measure({ messages, sessions, judgesTimes }: Asked): Promise<number> {
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
      await post(service, "/v1/sessions/long/messages", body);
    }
    await makeSessions(service, sessions);
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
    const drawnMessages = await page.locator("article").count();
    const list = await walkList(page, sessions);
    await close();
    const scriptKiB = scriptBytes / 1_024;
    console.log(`script on the first view      ${scriptKiB.toFixed(0)} KiB gzip (limit ${LIMITS.scriptKiB})
first paint                   ${firstPaintMs.toFixed(0)} ms (limit ${LIMITS.firstPaintMs})
${String(messages).padEnd(6)} messages usable after ${usableMs.toFixed(0)} ms (limit ${LIMITS.usableMs})
a jump to the middle          ${jumpMs.toFixed(0)} ms until it can be read, ${drawnMessages} messages drawn (limit ${LIMITS.drawn})
${String(sessions).padEnd(6)} sessions scrolled     ${list.endMs.toFixed(0)} ms to the oldest, ${list.drawn} drawn at most (limit ${LIMITS.drawn})
the oldest found by title     ${list.foundMs.toFixed(0)} ms`);
    const isInTime = firstPaintMs <= LIMITS.firstPaintMs && usableMs <= LIMITS.usableMs;
    const isSmall = scriptKiB <= LIMITS.scriptKiB && Math.max(drawnMessages, list.drawn) <= LIMITS.drawn;
    return isSmall && (isInTime || !judgesTimes) ? EXIT.ok : EXIT.failed;
  } finally {
    await service.close();
    await browser.close();
  }
}

/** From the click until the newest message and the context for the model are shown. */
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

async function post({ url, apiKey }: Pick<Service, "url" | "apiKey">, path: string, body: object): Promise<void> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  if (response.status !== 201) throw new Error(text);
}

/** Further sessions in the list, each with a title and a message. */
async function makeSessions(service: Service, sessions: number): Promise<void> {
  const numbers = Array.from({ length: sessions }, (_, index) => index + 1).values();
  const makeSome = async (): Promise<void> => {
    for (const number of numbers) {
      await post(service, "/v1/sessions", { id: `s-${number}`, metadata: { title: `Chat ${number} of many` } });
      await post(service, `/v1/sessions/s-${number}/messages`, { messages: [{ role: "user", content: WORDS }] });
    }
  };
  await post(service, "/v1/sessions", { id: "oldest", metadata: { title: "The oldest of all" } });
  await Promise.all(Array.from({ length: WIDTH }, makeSome));
}

/** Scrolls to the end of the list, and then searches for the oldest session by its title. */
async function walkList(page: Page, sessions: number): Promise<{ drawn: number; endMs: number; foundMs: number }> {
  // The created sessions, the long one and the oldest.
  const all = sessions + 2;
  await goTo(page, "#/sessions");
  const list = page.getByRole("region", { name: "Sessions" });
  const rows = page.locator(".session-row");
  await rows.first().waitFor();
  let drawn = 0;
  const beganAt = performance.now();
  for (let last = 0; last < all;) {
    if (performance.now() - beganAt > PATIENCE_MS) throw new Error(`The list ends at ${last} of ${all} sessions.`);
    await list.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    last = Number(await list.getByRole("listitem").last().getAttribute("aria-posinset"));
    drawn = Math.max(drawn, await rows.count());
  }
  const endMs = performance.now() - beganAt;
  // The page is loaded anew, so that the search has to read the pages of the list.
  await goTo(page, "#/user");
  await page.locator("main.page").waitFor();
  await goTo(page, "#/sessions");
  const searchedAt = performance.now();
  await page.getByRole("searchbox").fill("oldest of all");
  await rows.getByText("The oldest of all").waitFor({ timeout: PATIENCE_MS });
  return { drawn, endMs, foundMs: performance.now() - searchedAt };
}
