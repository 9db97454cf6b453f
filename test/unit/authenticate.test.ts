import { describe, expect, it } from "vitest";
import { createAuthenticator } from "../../src/access/authenticate.ts";
import { formatKey } from "../../src/access/key-format.ts";
import { ThreadkeepError } from "../../src/api/errors.ts";
import type { Principal } from "../../src/api/principal.ts";

const deployment = {
  tenant: "acme",
  apiKey: "tk_api_0123456789abcdef",
  adminKey: "tk_admin_0123456789abcdef",
};
/** No tenant has a key. */
const checkKey = async (): Promise<null> => null;
const ada: Principal = { kind: "user", id: "user:ada", tenant: "acme", owner: "ada", scopes: ["memory:read"] };

function requestWith(bearer: string, headers: Record<string, string> = {}): Request {
  return new Request("http://threadkeep.test/v1/sessions", {
    headers: { authorization: `Bearer ${bearer}`, ...headers },
  });
}

async function codeOf(principal: Promise<Principal>): Promise<string> {
  const error: unknown = await principal.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return error instanceof ThreadkeepError ? error.fault.code : `no fault: ${String(error)}`;
}

describe("the authenticator", () => {
  it("accepts the deployment's keys, for the user that they name", async () => {
    const authenticate = createAuthenticator({ deployment, checkKey });
    expect(await authenticate(requestWith(deployment.apiKey))).toMatchObject({
      kind: "tenant-key",
      id: "deployment-key",
      tenant: "acme",
      owner: "-",
    });
    expect(await authenticate(requestWith(deployment.adminKey, { "threadkeep-user": "ada" }))).toMatchObject({
      kind: "admin",
      id: "admin",
      owner: "ada",
    });
  });

  it("asks the tenant object about a tenant's key, and takes tenant, id, scopes and end only from its answer", async () => {
    const key = { tenant: "umbrella", id: "7Qm2xVb9LcTa", secret: "s".repeat(43) };
    const asked: unknown[] = [];
    const authenticate = createAuthenticator({
      deployment,
      checkKey: async (parts) => {
        asked.push(parts);
        return { scopes: ["memory:read", "ops"], expiresAt: 7 };
      },
    });
    expect(await authenticate(requestWith(formatKey(key), { "threadkeep-user": "ada" }))).toEqual({
      kind: "tenant-key",
      id: "key:7Qm2xVb9LcTa",
      tenant: "umbrella",
      owner: "ada",
      scopes: ["memory:read", "ops"],
      expiresAt: 7,
    });
    expect(asked).toEqual([key]);
  });

  it("asks nobody about a key with a wrong checksum, or about one of the deployment's", async () => {
    const whole = formatKey({ tenant: "umbrella", id: "7Qm2xVb9LcTa", secret: "s".repeat(43) });
    let asked = 0;
    const authenticate = createAuthenticator({
      deployment,
      checkKey: async () => {
        asked += 1;
        return { scopes: ["memory:read"], expiresAt: null };
      },
    });
    for (const wrong of [whole.slice(0, -1), whole.replace("umbrella", "acme"), `${whole}.x.y`, "tk_umbrella"]) {
      expect(await codeOf(authenticate(requestWith(wrong))), wrong).toBe("unauthenticated");
    }
    await authenticate(requestWith(deployment.apiKey));
    expect(asked).toBe(0);
  });

  it("refuses an invalid key, and reports if nobody can check it", async () => {
    const request = requestWith(formatKey({ tenant: "umbrella", id: "7Qm2xVb9LcTa", secret: "s".repeat(43) }));
    expect(await codeOf(createAuthenticator({ deployment, checkKey })(request))).toBe("unauthenticated");
    expect(await codeOf(createAuthenticator({ deployment })(request))).toBe("unauthenticated");
    const nobodyKnows = async (): Promise<never> => {
      throw new ThreadkeepError({ code: "unavailable", detail: "Send it again." });
    };
    expect(await codeOf(createAuthenticator({ deployment, checkKey: nobodyKnows })(request))).toBe("unavailable");
  });

  it("passes what looks like a token to the token reader, and nothing else", async () => {
    const seen: string[] = [];
    const authenticate = createAuthenticator({
      deployment,
      checkKey,
      verifyToken: async (token) => {
        seen.push(token);
        return ada;
      },
    });
    expect(await authenticate(requestWith("aGVhZA.Y2xhaW1z.c2ln"))).toEqual(ada);
    for (const other of ["a.b", "a.b.c.d", "a..c", ".b.c", "a.b.", "a.b.c=", "unknown"]) {
      expect(await codeOf(authenticate(requestWith(other))), other).toBe("unauthenticated");
    }
    expect(seen).toEqual(["aGVhZA.Y2xhaW1z.c2ln"]);
  });

  it("refuses a token if none are configured, and a header of any other form", async () => {
    const authenticate = createAuthenticator({ deployment, checkKey });
    expect(await codeOf(authenticate(requestWith("aGVhZA.Y2xhaW1z.c2ln")))).toBe("unauthenticated");
    for (const authorization of [
      "",
      "Bearer",
      "Bearer ",
      `Basic ${deployment.apiKey}`,
      deployment.apiKey,
      "Bearer a b",
    ]) {
      const request = new Request("http://threadkeep.test/", { headers: { authorization } });
      expect(await codeOf(authenticate(request)), authorization).toBe("unauthenticated");
    }
    expect(await codeOf(authenticate(new Request("http://threadkeep.test/")))).toBe("unauthenticated");
  });
});
