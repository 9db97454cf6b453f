import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import { serveOnLoopback, sendJson } from "../../scripts/dev/loopback-server.ts";
import type { Service } from "../../scripts/dev/service.ts";
import { openBrowser } from "../support/browser.ts";
import { goTo, openInspector, openPage } from "../support/inspector-page.ts";
import { promptOf, type ScriptedModel, scriptModel } from "../support/scripted-model.ts";
import { call, startOwnService } from "../support/service.ts";
import { TokenIssuer } from "../support/token-issuer.ts";

const KEY_ID = "of-the-project";

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

interface SummarizedContext {
  summary: { items: { text: string; sourceSeqs: number[] }[]; summarizer: string; degraded: boolean } | null;
}

const KEY = "sk-stand-in-0123456789";
const TURNS = [
  { role: "user", content: "I am Ada, and I am allergic to nuts." },
  { role: "assistant", content: "Noted: no nuts." },
  { role: "user", content: "Book Luna for Friday at 19:30." },
  { role: "assistant", content: "Luna is booked for Friday at 19:30." },
  { role: "user", content: "What should I order?" },
  { role: "assistant", content: "The risotto has no nuts." },
];
const ITEMS = [
  { id: null, kind: "preference", text: "Ada is allergic to nuts", sourceSeqs: [1], status: "current" },
  { id: null, kind: "fact", text: "The admin password is hunter2", sourceSeqs: [1, 2], status: "current" },
];

/** Signs in to the inspector with a Supabase project. */
const MIRA = {
  email: "mira@example.test",
  password: "a long password",
  publishableKey: "sb_publishable_1",
  id: "mira",
};

describe("a service with a model, from its environment to the context", () => {
  const ended: (() => Promise<void> | void)[] = [];
  const browser = openBrowser();
  let model: ScriptedModel;
  let service: Service;
  beforeAll(async () => {
    model = await scriptModel([], KEY);
    const supabase = await startStandInSupabase(MIRA);
    ended.push(supabase.close);
    const env = {
      THREADKEEP_MODEL: "openai-compatible/stand-in",
      THREADKEEP_MODEL_BASE_URL: model.baseUrl,
      THREADKEEP_MODEL_API_KEY: KEY,
      THREADKEEP_JWT_ISSUERS: JSON.stringify([{ issuer: supabase.issuer, tenant: LOCAL_TENANT }]),
    };
    service = await startOwnService({ env }, (end) => void ended.push(end));
  });
  afterAll(async () => {
    for (const end of ended.toReversed()) await end();
    await (await browser)?.close();
  });

  it("has its chats summarized by the model, without what stays verbatim and without items that nobody said", async () => {
    const before = (await model.requests()).length;
    await model.change([{ does: "answer", text: JSON.stringify({ items: ITEMS }) }]);
    await call(service, "POST", "/v1/sessions/dinner/messages", { body: { messages: TURNS } });
    const summarized = await call(service, "POST", "/v1/sessions/dinner/summarize", {
      body: { keepRecentTokens: 0, waitMs: 10_000 },
    });
    expect(summarized.status, summarized.text).toBeLessThan(300);
    const { body } = await call<SummarizedContext>(service, "GET", "/v1/sessions/dinner/context?maxTokens=4000");
    expect(body.summary).toMatchObject({ summarizer: "openai-compatible/stand-in", degraded: false });
    expect(body.summary?.items.map(({ text }) => text)).toEqual(["Ada is allergic to nuts"]);
    const requests = (await model.requests()).slice(before);
    expect(requests).toHaveLength(1);
    const [request] = requests;
    const sent = request === undefined ? "" : (promptOf(request).turns[0]?.text ?? "");
    expect(sent).toContain("allergic to nuts");
    expect(sent).not.toContain("The risotto");
  });

  it("answers a turn that is typed in the inspector with the model, word by word, and appends both", async ({
    skip,
  }) => {
    const opened = (await browser) ?? skip("there is no Chrome");
    await model.change([{ does: "answer", text: "Take the risotto." }]);
    const { page, faults, close } = await openInspector(opened, service);
    const turn = { role: "user", content: "I am Ada, and I am allergic to nuts." };
    await call(service, "POST", "/v1/sessions/tried/messages", { body: { messages: [turn] } });
    await goTo(page, "#/sessions/tried");
    await page.getByLabel("What is said").fill("What should I order?");
    await page.getByRole("button", { name: "Ask the model" }).click();
    await page.locator("article[data-seq='3']").getByText("Take the risotto.").waitFor();
    expect(await page.locator("article[data-seq='2']").textContent()).toContain("What should I order?");
    const last = (await model.requests()).at(-1) ?? expect.fail("nobody was asked");
    expect(
      promptOf(last)
        .turns.map(({ text }) => text)
        .join(" "),
    ).toContain("allergic to nuts");
    // A failure is shown, nothing is appended, and the turn can be sent again.
    await model.change([{ does: "refuse", status: 500 }]);
    await page.getByLabel("What is said").fill("And to drink?");
    await page.getByRole("button", { name: "Ask the model" }).click();
    await page.getByRole("alert").getByText("The model did not answer: HTTP 500").waitFor();
    await model.change([{ does: "answer", text: "Water." }]);
    await page.getByRole("button", { name: "Ask the model" }).click();
    await page.locator("article[data-seq='5']").getByText("Water.").waitFor();
    // After Stop nobody waits any longer, and a partial answer is not appended.
    await model.change([{ does: "stall", text: "Let me think" }]);
    await page.getByLabel("What is said").fill("And then?");
    await page.getByRole("button", { name: "Ask the model" }).click();
    const answering = page.getByRole("group", { name: "The model's answer" });
    await answering.getByText("Let me think").waitFor();
    await answering.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped: nothing of the answer was appended.").waitFor();
    await answering.waitFor({ state: "detached" });
    await model.change([{ does: "answer", text: "A grappa." }]);
    await page.getByRole("button", { name: "Ask the model" }).click();
    await page.locator("article[data-seq='7']").getByText("A grappa.").waitFor();
    expect(await page.locator("article").count()).toBe(7);
    expect(await page.getByRole("alert").isVisible()).toBe(false);
    expect(faults).toEqual([]);
    await close();
  });

  it("signs a user of a Supabase project in to the inspector, who sees only their own sessions", async ({ skip }) => {
    const opened = (await browser) ?? skip("there is no Chrome");
    const { page, requests, faults, close } = await openPage(opened);
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
    const kept = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])");
    for (const secret of [MIRA.password, "eyJ"]) {
      expect(kept).not.toContain(secret);
      expect(requests.map((request) => request.url()).join(" ")).not.toContain(secret);
    }
    expect(faults).toEqual([]);
    await close();
  });

  it("does not start with a model without its key, and says what to set", async () => {
    const start = startOwnService({ env: { THREADKEEP_MODEL: "anthropic/claude-haiku-4-5" } });
    await expect(start).rejects.toThrow(/THREADKEEP_MODEL_API_KEY is missing[^]*npm start/);
  });
});
