import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";

const PLAIN = {
  THREADKEEP_API_KEY: "tk_0123456789abcdefghij",
  THREADKEEP_ADMIN_KEY: "tk_admin_0123456789abcdefghij",
  THREADKEEP_API_TENANT: "default",
  THREADKEEP_MODEL: "extractive",
};
const SECRET = "0123456789abcdefghij";
const alertsOf = (env: Record<string, unknown>) => parseConfig({ ...PLAIN, ...env }).alerts;

describe("the receiver of alerts", () => {
  it("is nobody if nothing is set, and has the digest by default", () => {
    expect(alertsOf({})).toEqual({ webhook: null, hasDigest: true });
    expect(alertsOf({ THREADKEEP_ALERT_WEBHOOK: "", THREADKEEP_ALERT_DIGEST: "off" })).toEqual({
      webhook: null,
      hasDigest: false,
    });
  });

  it.each([
    "https://hooks.example/services/a?b=c",
    "http://127.0.0.1:9999/hook",
    "http://[::1]:1/",
    "http://localhost/",
  ])("is %s, with a secret", (url) => {
    const env = { THREADKEEP_ALERT_WEBHOOK: url, THREADKEEP_ALERT_SECRET: SECRET };
    expect(alertsOf(env).webhook).toEqual({ url, secret: SECRET });
  });

  it.each([
    "http://hooks.example/",
    "https://user:pass@hooks.example/",
    "ftp://127.0.0.1/",
    "hooks.example",
    "http://",
  ])("is not %s: notices must be encrypted on a network, and fetch refuses credentials in a URL", (url) => {
    const env = { THREADKEEP_ALERT_WEBHOOK: url, THREADKEEP_ALERT_SECRET: SECRET };
    expect(() => alertsOf(env)).toThrow("THREADKEEP_ALERT_WEBHOOK must be an https URL");
  });

  it("is refused without a secret, or with one that can be guessed: the fault says what to set", () => {
    const THREADKEEP_ALERT_WEBHOOK = "https://hooks.example/";
    expect(() => alertsOf({ THREADKEEP_ALERT_WEBHOOK })).toThrow(
      /THREADKEEP_ALERT_SECRET is missing.*wrangler secret put THREADKEEP_ALERT_SECRET/,
    );
    expect(() => alertsOf({ THREADKEEP_ALERT_WEBHOOK, THREADKEEP_ALERT_SECRET: "short" })).toThrow("is too short");
    expect(() => alertsOf({ THREADKEEP_ALERT_DIGEST: "daily" })).toThrow(
      'THREADKEEP_ALERT_DIGEST must be "on" or "off"',
    );
  });
});
