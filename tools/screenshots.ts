// npm run screenshots: makes the pictures of the README from the real page.
import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../scripts/dev/paths.ts";
import { StartError } from "../scripts/dev/start-error.ts";
import { createProgram } from "../scripts/program/command-line.ts";
import { EXIT, runProgram } from "../scripts/program/run-program.ts";
import { openBrowser } from "../test/support/browser.ts";
import { openInspector, SCREENS } from "../test/support/inspector-page.ts";
import { startTemporaryService } from "./inspector/temporary-service.ts";

const FOLDER = path.join(projectRoot, "docs/images");

const program = createProgram(
  "npm run screenshots --",
  "Starts a service, opens the sample chat in the inspector, and writes the pictures of the README to docs/images.",
).action(async () => {
  process.exitCode = await run();
});

await runProgram(program);

async function run(): Promise<number> {
  const browser = await openBrowser();
  if (browser === null) throw new StartError("There is no Chrome on this machine. Install it, then run this again.");
  const service = await startTemporaryService();
  mkdirSync(FOLDER, { recursive: true });
  try {
    // A desk in daylight, a phone at night.
    for (const [index, screen] of SCREENS.slice(0, 2).entries()) {
      const { page, close } = await openInspector(browser, service, screen);
      await page.getByRole("button", { name: "Open a sample chat" }).click();
      await page.getByText("What it knows of messages 1 to").waitFor({ state: "attached" });
      await page.getByText("Live", { exact: true }).waitFor();
      const file = path.join(FOLDER, index === 0 ? "inspector.png" : "inspector-phone.png");
      if (index === 0) {
        await page.getByLabel("What would it remember for").fill("what must I not eat?");
        await page.keyboard.press("Enter");
        await page.locator(".part.is-retrieved li").first().waitFor();
        await page.getByRole("button", { name: "in the summary" }).click();
        await page.locator("article", { hasText: "allergic to walnuts" }).waitFor();
      } else {
        await page.locator(".sides").getByRole("button", { name: "What the model gets" }).click();
      }
      // No request is pending, so the picture shows the final state.
      await page.waitForLoadState("networkidle");
      rmSync(file, { force: true });
      await page.screenshot({ path: file });
      console.log(`Written: ${path.relative(projectRoot, file)}`);
      await close();
    }
  } finally {
    await service.close();
    await browser.close();
  }
  return EXIT.ok;
}
