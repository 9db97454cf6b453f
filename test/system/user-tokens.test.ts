import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { type Answer, call, sharedService } from "../support/service.ts";
import { TokenIssuer } from "../support/token-issuer.ts";

const service = sharedService();
const { issuerKey } = statePaths(service.stateDir);

const tokenOf = (user: string, claims: Record<string, unknown> = {}): Promise<string> =>
  signUserToken(issuerKey, { user, claims });

const somebody = (): string => `user-${crypto.randomUUID()}`;

function append(key: string, session: string): Promise<Answer<unknown>> {
  const body = { messages: [{ role: "user", content: "My diary." }], context: {} };
  return call(service, "POST", `/v1/sessions/${session}/messages`, { key, body });
}

async function idsOf(key: string, headers: Record<string, string> = {}): Promise<string[]> {
  const { body } = await call<{ data: { id: string }[] }>(service, "GET", "/v1/sessions?limit=100", { key, headers });
  return body.data.map(({ id }) => id);
}

describe("a user's token", () => {
  it("writes, reads, lists and erases the user's own sessions", async () => {
    const [key, session] = [await tokenOf(somebody()), crypto.randomUUID()];
    expect((await append(key, session)).status).toBe(201);
    const context = await call(service, "GET", `/v1/sessions/${session}/context`, { key });
    expect(context.text).toContain("My diary.");
    expect(await idsOf(key)).toEqual([session]);
    expect((await call(service, "DELETE", `/v1/sessions/${session}`, { key })).status).toBe(202);
    expect(await idsOf(key)).toEqual([]);
  });

  it("opens what the tenant's key wrote for that user, and vice versa", async () => {
    const [user, session] = [somebody(), crypto.randomUUID()];
    const key = await tokenOf(user);
    expect((await append(key, session)).status).toBe(201);
    expect(await idsOf(service.apiKey, { "threadkeep-user": user })).toEqual([session]);
  });

  it("finds neither another user's sessions nor the tenant's own", async () => {
    const [ada, mallory] = [await tokenOf(somebody()), await tokenOf(somebody())];
    const [hers, tenants] = [crypto.randomUUID(), crypto.randomUUID()];
    expect((await append(ada, hers)).status).toBe(201);
    expect((await append(service.apiKey, tenants)).status).toBe(201);
    for (const session of [hers, tenants]) {
      for (const path of ["", "/messages", "/context", "/summaries", "/export"]) {
        const { status, text } = await call(service, "GET", `/v1/sessions/${session}${path}`, { key: mallory });
        expect(status, path).toBe(404);
        expect(text).not.toContain("diary");
      }
      expect((await call(service, "DELETE", `/v1/sessions/${session}`, { key: mallory })).status).toBe(404);
    }
    expect(await idsOf(mallory)).toEqual([]);
    expect((await call(service, "GET", `/v1/sessions/${hers}`, { key: ada })).status).toBe(200);
  });

  it("may not name another user, nor act as the operator", async () => {
    const key = await tokenOf(somebody());
    const headers = { "threadkeep-user": "ada" };
    const other = await call(service, "GET", "/v1/sessions", { key, headers });
    expect(other).toMatchObject({ status: 403, body: { code: "forbidden" } });
    for (const path of ["/v1/admin/jobs", "/v1/admin/tenants/local"]) {
      expect(await call(service, "GET", path, { key }), path).toMatchObject({ status: 403 });
    }
  });

  it("is refused with 401 for any fault, and then stores nothing", async () => {
    const user = somebody();
    const good = await tokenOf(user);
    const [head, body, signature = ""] = good.split(".");
    const stranger = new TokenIssuer("http://localhost/auth/v1");
    await stranger.addKey("one");
    const wrong = {
      expired: await signUserToken(issuerKey, { user, expiresInSeconds: -61 }),
      "for another audience": await tokenOf(user, { aud: "other" }),
      "of another issuer": await tokenOf(user, { iss: "http://localhost/other" }),
      "without a subject": await tokenOf(user, { sub: undefined }),
      anonymous: await tokenOf(user, { is_anonymous: true }),
      "of a user who is the tenant": await tokenOf("-"),
      "of a user on two lines": await tokenOf(`${user}\nx`),
      unsigned: `${head}.${body}.`,
      "signed by nobody": `${head}.${body}.${signature.split("").toReversed().join("")}`,
      "signed by a stranger": await stranger.sign("one", Math.floor(Date.now() / 1_000), { sub: user }),
      huge: await tokenOf(user, { filler: "x".repeat(9_000) }),
    };
    for (const [what, key] of Object.entries(wrong)) {
      const answer = await append(key, "diary");
      expect(answer, what).toMatchObject({ status: 401, body: { code: "unauthenticated" } });
      expect(answer.headers.get("www-authenticate"), what).toBe('Bearer realm="threadkeep"');
      expect(answer.text, what).not.toContain(key);
    }
    expect(await idsOf(good)).toEqual([]);
  });
});

describe("npm run token", () => {
  const run = promisify(execFile);
  const program = (...options: string[]) =>
    run(process.execPath, ["scripts/token.ts", "--state", service.stateDir, ...options]);

  it("prints a token that the running service accepts", async () => {
    const session = crypto.randomUUID();
    const { stdout } = await program("--user", somebody(), "--expires-in", "60");
    expect((await append(stdout.trim(), session)).status).toBe(201);
  });

  it.each([
    [[], 64, "--user <id>"],
    [["--user", ".."], 64, 'must be neither "." nor ".."'],
    [["--user", "mira", "--expires-in", "soon"], 64, "must be a whole number"],
    [["--user", "mira", "--state", "no-such-folder"], 1, "npm start"],
  ])("with %j ends with %i and says what is missing", async (options, code, words) => {
    await expect(program(...options)).rejects.toMatchObject({ code, stderr: expect.stringContaining(words) });
  });
});
