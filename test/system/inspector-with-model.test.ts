import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import { serveOnLoopback, sendJson } from "../../scripts/dev/loopback-server.ts";
import type { Service } from "../../scripts/dev/service.ts";
import { openBrowser, type TestBrowser } from "../support/browser.ts";
import { type InspectorPage, openInspector, openPage, screensToWalk, showUser } from "../support/inspector-page.ts";
import {
  type Ground,
  walkChat,
  walkDroppedFile,
  walkDroppingAndPausing,
  walkFailingSummary,
  walkPastAndCarriedItems,
  walkRunsAndSpending,
  walkSearches,
  walkToolsAndFiles,
  walkVersions,
} from "../support/inspector-walks.ts";
import { type ScriptedModel, scriptModel } from "../support/scripted-model.ts";
import { call, startOwnService } from "../support/service.ts";
import { TokenIssuer } from "../support/token-issuer.ts";

const KEY_ID = "of-the-project";

/** As an application gets it. */
async function tokenOf({ email, password, publishableKey }: Person, { issuer }: StandInSupabase): Promise<string> {
  const response = await fetch(`${issuer}/token?grant_type=password`, {
    method: "POST",
    headers: { apikey: publishableKey },
    body: JSON.stringify({ email, password }),
  });
  const { access_token: token }: { access_token: string } = JSON.parse(await response.text());
  return token;
}

interface StandInSupabase {
  /** The value of THREADKEEP_JWT_ISSUERS. */
  readonly issuer: string;
  close(): Promise<void>;
}

/** Who may sign in, with the project's publishable key. */
interface Person {
  readonly email: string;
  readonly password: string;
  readonly publishableKey: string;
  /** The claim `sub`. */
  readonly id: string;
}

/** The part of Supabase Auth that signs a person in by password, on loopback. Like the real one it answers pages of other origins. */
async function startStandInSupabase(person: Person): Promise<StandInSupabase> {
  const known: { tokens: TokenIssuer | null } = { tokens: null };
  const { url, close } = await serveOnLoopback(async (request, response, body) => {
    const headers = { "access-control-allow-origin": "*", "access-control-allow-headers": "apikey, content-type" };
    const { pathname } = new URL(request.url ?? "/", url);
    if (request.method === "OPTIONS") return response.writeHead(204, headers).end();
    if (pathname.endsWith("/jwks.json")) return sendJson(response, 200, { keys: known.tokens?.keys ?? [] }, headers);
    const { email, password } = JSON.parse(body.toString()) as Partial<Person>;
    if (request.headers["apikey"] !== person.publishableKey) {
      return sendJson(response, 401, { message: "Invalid API key" }, headers);
    }
    if (email !== person.email || password !== person.password) {
      return sendJson(response, 400, { code: 400, msg: "Invalid login credentials" }, headers);
    }
    const now = Math.floor(Date.now() / 1_000);
    const token = await known.tokens?.sign(KEY_ID, now, { sub: person.id });
    return sendJson(response, 200, { access_token: token, token_type: "bearer", expires_in: 3_600 }, headers);
  });
  const tokens = new TokenIssuer(`${url}/auth/v1`);
  known.tokens = tokens;
  await tokens.addKey(KEY_ID);
  return { issuer: tokens.issuer, close };
}

const KEY = "sk-stand-in-0123456789";

/** Signs in to the inspector with a Supabase project. */
const MIRA = {
  email: "mira@example.test",
  password: "a long password",
  publishableKey: "sb_publishable_1",
  id: "mira",
};

const opened = await openBrowser();
const browser = (): TestBrowser => opened ?? expect.fail("there is no browser");

afterAll(() => opened?.close());

describe.skipIf(opened === null)("the inspector of a service with a model (skipped where there is no Chrome)", () => {
  const ended: (() => Promise<void> | void)[] = [];
  let service: Service;
  let supabase: StandInSupabase;
  let model: ScriptedModel;
  beforeAll(async () => {
    model = await scriptModel([], KEY);
    supabase = await startStandInSupabase(MIRA);
    // It answers with no vectors: their jobs fail, and are those that operators may drop.
    const embeddings = await serveOnLoopback((_request, response) => sendJson(response, 200, { data: [] }));
    ended.push(supabase.close, embeddings.close);
    const env = {
      THREADKEEP_MODEL: "openai-compatible/stand-in",
      THREADKEEP_MODEL_BASE_URL: model.baseUrl,
      THREADKEEP_MODEL_API_KEY: KEY,
      THREADKEEP_MODEL_INPUT_PRICE: "1",
      THREADKEEP_MODEL_OUTPUT_PRICE: "5",
      THREADKEEP_EMBEDDINGS: "openai-compatible/stand-in",
      THREADKEEP_EMBEDDINGS_BASE_URL: embeddings.url,
      THREADKEEP_JWT_ISSUERS: JSON.stringify([{ issuer: supabase.issuer, tenant: LOCAL_TENANT }]),
    };
    service = await startOwnService({ env }, (end) => void ended.push(end));
  });
  afterAll(async () => {
    for (const end of ended.toReversed()) await end();
  });

  describe.each(screensToWalk("1,280 pixels, light"))("at $name", (screen) => {
    let tab: InspectorPage;
    let ground: Ground;
    beforeAll(async () => {
      tab = await openInspector(browser(), service, screen);
      // A user for each screen, so that no search finds what another screen's walks have made.
      ground = { service, model, user: `walker-${crypto.randomUUID()}` };
      await showUser(tab.page, ground.user);
    });
    afterAll(() => tab.close());

    it.each([
      ["finds sessions by title, what they remember, and what was said in one", walkSearches],
      ["shows files, reasoning, calls of tools and their results as what they are", walkToolsAndFiles],
      [
        "shows what is done or superseded on request, and leads from a carried item to its source",
        walkPastAndCarriedItems,
      ],
      ["tells what each version took, changed and lost, and restores one", walkVersions],
      ["shows a summary that fails as it fails, and has it retried", walkFailingSummary],
      ["drops a job with a reason, and pauses and resumes summaries", walkDroppingAndPausing],
      ["follows a run of a bulk operation to its end, and tells what the model took and cost", walkRunsAndSpending],
      ["makes a session of a file that is dropped anywhere on the page", walkDroppedFile],
      ["has turns answered by the model, again if asked to, and appends no failure", walkChat],
    ])("%s", async (_what, walk) => {
      await walk(tab.page, ground);
      expect(tab.faults.splice(0)).toEqual([]);
    });
  });

  it("signs a user of a Supabase project in to the inspector, who sees only their own sessions", async () => {
    const { page, requests, faults, close } = await openPage(browser());
    const headers = { "Threadkeep-User": MIRA.id };
    const body = { messages: [{ role: "user", content: "Mira's own words." }] };
    await call(service, "POST", "/v1/sessions/of-mira/messages", { headers, body });
    await page.goto(service.url);
    await page.getByLabel("E-mail").fill(MIRA.email);
    await page.getByLabel("The project's publishable key").fill(MIRA.publishableKey);
    const password = page.getByLabel("Password");
    await password.fill("not hers");
    await page.getByRole("button", { name: "Sign in with Supabase" }).click();
    await page.getByRole("alert").getByText("Invalid login credentials").waitFor();
    await password.fill(MIRA.password);
    await page.getByRole("button", { name: "Sign in with Supabase" }).click();
    await page.getByText("Mira's own words.").waitFor();
    await page.getByText(`Signed in as ${MIRA.id}`).waitFor();
    expect(await page.locator(".session-row").count()).toBe(1);
    await page.getByText("Mira's own words.").click();
    await page.getByText("For the next answer the model gets").waitFor();
    // She does not see what the operator pays, or for what.
    expect(await page.getByRole("button", { name: "Ask the model" }).count()).toBe(0);
    // Whoever has a token from elsewhere pastes it.
    await page.getByText(`Signed in as ${MIRA.id}`).click();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("or a user's token").fill(await tokenOf(MIRA, supabase));
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("Mira's own words.").waitFor();
    const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])");
    for (const secret of [MIRA.password, "eyJ"]) {
      expect(kept).not.toContain(secret);
      expect(requests.map((request) => request.url()).join(" ")).not.toContain(secret);
    }
    expect(faults).toEqual([]);
    await close();
  });
});
