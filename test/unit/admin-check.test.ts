import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createAdminCheck } from "../../src/access/admin-check.ts";
import { type Authenticator, createAuthenticator } from "../../src/access/authenticate.ts";
import { limitUnauthenticated } from "../../src/access/unauthenticated-limit.ts";

const KEYS = { tenant: "default", apiKey: "tk_0123456789abcdefghij", adminKey: "tk_admin_0123456789abcdefghij" };

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function showing(key?: string): Request {
  const headers: Record<string, string> = { "CF-Connecting-IP": "203.0.113.7" };
  if (key !== undefined) headers["Authorization"] = `Bearer ${key}`;
  return new Request("https://threadkeep.example/readyz", { headers });
}

it("the admin key is distinguished from other keys, and a request without a key is refused without a check", async () => {
  const authenticate = vi.fn<Authenticator>(createAuthenticator({ deployment: KEYS }));
  const isAdmin = createAdminCheck(authenticate);
  expect(await isAdmin(showing())).toBe(false);
  expect(authenticate).not.toHaveBeenCalled();
  expect([await isAdmin(showing(KEYS.adminKey)), await isAdmin(showing(KEYS.apiKey))]).toEqual([true, false]);
});

it("during a flood of guesses even the right key is refused", async () => {
  let admitted = 3;
  const isAdmin = createAdminCheck(
    limitUnauthenticated(createAuthenticator({ deployment: KEYS }), { admit: async () => (admitted -= 1) >= 0 }),
  );
  for (let guess = 0; guess < 4; guess += 1)
    expect(await isAdmin(showing(`tk_admin_wrong_guess_${guess}`))).toBe(false);
  expect(await isAdmin(showing(KEYS.adminKey))).toBe(false);
});

it("a tenant's key whose tenant object does not answer is not the admin key, and the refusal does not wait", async () => {
  const isAdmin = createAdminCheck(() => new Promise(() => undefined));
  const told = isAdmin(showing("tk_acme_0123456789"));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(await told).toBe(false);
});
