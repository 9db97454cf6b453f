import { describe, expect, it } from "vitest";
import { createLog } from "../../src/telemetry/log.ts";
import { errorFields, redactText } from "../../src/telemetry/redact.ts";

describe("an error in the log", () => {
  it.each([
    ["the parameters of a failed query", 'Failed query: insert into "messages" values ($1)\nparams: my secret,7'],
    ["the JSON that could not be parsed", `Unexpected token 'm', "my secret diary" is not valid JSON`],
    ["a quoted value", "invalid input syntax for type uuid: 'my secret'"],
    ["a password in a URL", "connect failed: postgres://worker:secret@db.example.com:5432/threadkeep"],
    ["a bearer token", "refused Authorization: Bearer secret"],
    ["a key", "no such key tk_local_secretsecretsecretsecretsecret"],
    ["a JSON Web Token", "bad token eyJhbGciOi.eyJzdWIiOiJ.c2VjcmV0c2Vj"],
  ])("does not contain %s", (_, text) => {
    expect(redactText(text)).not.toMatch(/secret|c2Vj/);
  });

  it("contains what helps an operator", () => {
    expect(redactText("connect ECONNREFUSED 127.0.0.1:5432")).toBe("connect ECONNREFUSED 127.0.0.1:5432");
    expect(redactText("postgres://worker:pw@db.example.com/threadkeep is away")).toContain("db.example.com");
  });

  it("is short, whatever its message is", () => {
    expect(redactText("word ".repeat(10_000)).length).toBeLessThan(400);
  });

  it("has the place and the cause, but does not repeat the message in the stack", () => {
    const error = new Error("query failed\nparams: secret", {
      cause: Object.assign(new Error("terminated"), { code: "57P01" }),
    });
    const fields = errorFields(error);
    expect(fields).toMatchObject({ error: "Error", errorCode: "57P01", cause: "Error", causeMessage: "terminated" });
    expect(fields["errorStack"]).toMatch(/^at .*redact\.test\.ts/);
    expect(JSON.stringify(fields)).not.toContain("secret");
  });

  it("is only a kind if it is not an Error", () => {
    expect(errorFields("secret")).toEqual({ error: "string" });
  });
});

describe("the log", () => {
  const entriesOf = (minLevel?: "debug" | "warn"): { log: ReturnType<typeof createLog>; lines: string[] } => {
    const lines: string[] = [];
    const now = (): Date => new Date("2026-11-22T09:30:00Z");
    const write = (_level: string, line: string): void => void lines.push(line);
    return { log: createLog({ now, write, ...(minLevel === undefined ? {} : { minLevel }) }), lines };
  };

  it("is one JSON object a line, beginning with time and event", () => {
    const { log, lines } = entriesOf();
    log.info("request", { status: 200, code: undefined, note: "two\nlines" });
    expect(lines).toEqual([
      '{"time":"2026-11-22T09:30:00.000Z","level":"info","event":"request","status":200,"note":"two\\nlines"}',
    ]);
  });

  it("lets no field replace its own fields", () => {
    const { log, lines } = entriesOf();
    log.warn("request", { level: "debug", event: "other", time: "never" });
    expect(JSON.parse(lines[0] ?? "")).toEqual({ time: "2026-11-22T09:30:00.000Z", level: "warn", event: "request" });
  });

  it("leaves out what is below its level", () => {
    const { log, lines } = entriesOf("warn");
    log.info("a");
    log.error("b");
    expect(lines).toHaveLength(1);
  });
});
