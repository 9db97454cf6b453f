import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { OpenApiDocument } from "../../scripts/openapi/document-types.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import { request } from "../support/session.ts";
import { appWith } from "../support/worker-app.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";

const HERE = "http://threadkeep.test";
const APP = "https://app.example";

interface Ask {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly origins?: readonly string[];
}

async function ask({ method = "GET", path = "/v1/sessions", headers = {}, origins = [APP] }: Ask): Promise<Response> {
  return appWith({ corsOrigins: origins }).request(`${HERE}${path}`, {
    method,
    headers: { Authorization: crypto.randomUUID(), ...headers },
  });
}

const preflight = (origin: string, origins?: readonly string[]): Promise<Response> =>
  ask({
    method: "OPTIONS",
    path: "/v1/sessions/a/messages",
    headers: {
      Origin: origin,
      "Access-Control-Request-Method": "POST",
      "Access-Control-Request-Headers": "authorization,content-type",
    },
    ...(origins === undefined ? {} : { origins }),
  });

/** The headers of an answer that concern origins. */
function corsHeaders(answer: Response): string[] {
  return [...answer.headers.keys()].filter((name) => name.startsWith("access-control-"));
}

describe("a page of an allowed origin", () => {
  it("learns from the preflight what it may send, and for how long that is valid", async () => {
    const { status, headers } = await preflight(APP);
    expect(status).toBe(204);
    expect(headers.get("Access-Control-Allow-Origin")).toBe(APP);
    expect(headers.get("Access-Control-Allow-Methods")?.split(",")).toContain("DELETE");
    expect(headers.get("Access-Control-Allow-Headers")).toContain("Authorization");
    expect(headers.get("Access-Control-Max-Age")).toBe("600");
    expect(headers.get("Vary")).toContain("Origin");
  });

  it("may read answers and the headers that a client uses, but sends no cookies", async () => {
    const { status, headers } = await ask({ headers: { Origin: APP } });
    expect(status).toBe(200);
    expect(headers.get("Access-Control-Allow-Origin")).toBe(APP);
    expect(headers.get("Access-Control-Expose-Headers")).toContain("Retry-After");
    expect(headers.get("Access-Control-Allow-Credentials")).toBeNull();
    expect(headers.get("Vary")).toContain("Origin");
  });

  it("may read refusals, too: otherwise its author could not see what to fix", async () => {
    const refuse = async () => {
      throw new ThreadkeepError({ code: "unauthenticated", detail: "No." });
    };
    const app = appWith({ corsOrigins: [APP], authenticate: refuse });
    const answer = await app.request(`${HERE}/v1/sessions`, { headers: { Origin: APP } });
    expect(answer.status).toBe(401);
    expect(answer.headers.get("Access-Control-Allow-Origin")).toBe(APP);
    const unknown = await ask({ path: "/v1/nowhere", headers: { Origin: APP } });
    expect([unknown.status, unknown.headers.get("Access-Control-Allow-Origin")]).toEqual([404, APP]);
  });

  it("learns the methods from an OPTIONS that is not a preflight", async () => {
    const answer = await ask({ method: "OPTIONS", headers: { Origin: APP } });
    expect([answer.status, answer.headers.get("Allow")]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
  });
});

describe("a page of any other origin may read nothing:", () => {
  it.each([
    "https://evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://evilapp.example",
    "https://APP.example",
    "null",
    "",
  ])("%j", async (origin) => {
    expect(corsHeaders(await preflight(origin))).toEqual([]);
    const answer = await ask({ headers: { Origin: origin } });
    expect(corsHeaders(answer)).toEqual([]);
    expect(answer.headers.get("Vary")).toContain("Origin");
  });

  it("and no page may if the list is empty, and then no answer varies by origin", async () => {
    expect(corsHeaders(await preflight(APP, []))).toEqual([]);
    const answer = await ask({ headers: { Origin: APP }, origins: [] });
    expect(corsHeaders(answer)).toEqual([]);
    expect(answer.headers.get("Vary")).toBeNull();
  });
});

describe("the host name of a request", () => {
  const app = appWith({ hosts: ["localhost", "127.0.0.1", "[::1]"] });

  it.each(["http://localhost:8787", "http://127.0.0.1:8787", "http://[::1]:8787"])("may be %s", async (origin) => {
    expect((await app.request(`${origin}/livez`)).status).toBe(200);
  });

  it.each(["http://evil.example:8787", "http://localhost.evil.example", "http://127.0.0.1.evil.example"])(
    "may not be %s: neither the pages nor the API answer there",
    async (origin) => {
      for (const path of ["/", "/docs", "/livez", "/readyz", "/v1/sessions", "/nowhere"]) {
        const answer = await app.request(`${origin}${path}`, { headers: { Authorization: "ada" } });
        expect(answer.status, path).toBe(421);
        expect(await answer.json(), path).toMatchObject({ code: "wrong_host" });
      }
    },
  );

  it("may be any if none is configured", async () => {
    expect((await appWith().request("https://anything.example/livez")).status).toBe(200);
  });
});

describe("every answer", () => {
  it("tells browsers over https to use https for a year, and says nothing over http", async () => {
    for (const path of ["/", "/livez", "/v1/sessions", "/v1/nowhere"]) {
      const safe = await appWith().request(`https://threadkeep.test${path}`, { headers: { Authorization: "ada" } });
      expect(safe.headers.get("Strict-Transport-Security"), path).toBe("max-age=31536000");
      const plain = await appWith().request(`${HERE}${path}`, { headers: { Authorization: "ada" } });
      expect(plain.headers.get("Strict-Transport-Security"), path).toBeNull();
    }
  });

  it("prevents a page of another origin from keeping a reference to it", async () => {
    for (const path of ["/", "/docs", "/v1/sessions"]) {
      const { headers } = await appWith().request(`${HERE}${path}`, { headers: { Authorization: "ada" } });
      expect(headers.get("Cross-Origin-Opener-Policy"), path).toBe("same-origin");
      expect(headers.get("Cross-Origin-Resource-Policy"), path).toBe("same-origin");
      expect(headers.get("Content-Security-Policy"), path).toContain("frame-ancestors 'none'");
    }
  });
});

describe("a secret in a URL", () => {
  const NAMES = ["api_key", "apikey", "apiKey", "key", "token", "access_token", "authorization", "secret"];

  it("is ignored: only the Authorization header is read", async () => {
    const { THREADKEEP_API_KEY: key } = TEST_WORKER_BINDINGS;
    for (const name of NAMES) {
      const answer = await exports.default.fetch(new Request(`${HERE}/v1/sessions?${name}=${key}`));
      expect(answer.status, name).toBe(401);
      const along = await request("GET", `/sessions?${name}=${key}`);
      expect(along.status, name).toBe(422);
      expect(along.text, name).not.toContain(key);
    }
  });

  it("is requested by no route", async () => {
    const answer = await appWith().request(`${HERE}/openapi.json`);
    const document = await answer.json<OpenApiDocument>();
    const named = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.values(operations).flatMap(({ parameters = [] }) =>
        parameters.map(({ name, in: place }) => ({ path, name, place })),
      ),
    );
    expect(named.length).toBeGreaterThan(10);
    for (const { path, name, place } of named) {
      if (place !== "header") expect(NAMES, path).not.toContain(name);
    }
  });
});
