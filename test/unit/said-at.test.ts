import { describe, expect, it } from "vitest";
import type { RetrievedMessage } from "../../src/prompt/retrieved.ts";
import { renderRetrieved } from "../../src/prompt/retrieved.ts";
import { fromStoredTime, localTime, readSaidAt, saidTime, toStoredTime } from "../../src/session/sqlite/said-at.ts";

describe("the time at which a message was said", () => {
  it.each([
    ["2026-07-01T23:30:00-07:00", "2026-07-01T23:30:00.000-07:00", "2026-07-01"],
    ["2026-07-02T00:10:00.5+05:45", "2026-07-02T00:10:00.500+05:45", "2026-07-02"],
    ["2026-07-02T06:30:00Z", "2026-07-02T06:30:00.000Z", "2026-07-02"],
    ["2026-07-02T06:30:00+00:00", "2026-07-02T06:30:00.000Z", "2026-07-02"],
    ["9999-12-31T10:00:00-10:00", "9999-12-31T10:00:00.000-10:00", "9999-12-31"],
    // There the local day is in a year before year 1.
    ["0000-12-31T20:00:00-12:00", "0001-01-01T08:00:00.000Z", "0001-01-01"],
  ])("is given by the clock of whoever said it, also after it was stored: %s", (time, told, day) => {
    const row = { ...fromStoredTime(toStoredTime(readSaidAt(time))), createdAt: 0 };
    expect(saidTime(row)).toBe(told);
    expect(row.occurredAt).toBe(Date.parse(time));
    expect(new Date(localTime(row)).toISOString().slice(0, 10)).toBe(day);
  });

  it("is stored without an offset if none is given, and is the time of arrival if no time is given", () => {
    expect(toStoredTime(readSaidAt("2026-07-02T06:30:00Z"))).toBe(Date.UTC(2026, 6, 2, 6, 30));
    expect(toStoredTime(readSaidAt(undefined))).toBeNull();
    const row = { ...fromStoredTime(null), createdAt: Date.UTC(2026, 0, 1) };
    expect(saidTime(row)).toBe("2026-01-01T00:00:00.000Z");
    expect(localTime(row)).toBe(row.createdAt);
  });

  it("is the day by that clock, before a retrieved turn", () => {
    const [occurredAt, createdAt] = ["2026-07-01T23:30:00.000-07:00", "2026-07-02T06:31:00.000Z"];
    const message: RetrievedMessage["message"] = {
      id: "m",
      seq: 1,
      role: "user",
      content: "The ferry leaves tomorrow",
      createdAt,
      tokens: 5,
    };
    const lines = (retrieved: RetrievedMessage["message"]): string =>
      renderRetrieved([{ message: retrieved, score: 1, why: "test" }]);
    expect(lines({ ...message, occurredAt })).toContain("[2026-07-01 user] The ferry leaves tomorrow");
    expect(lines(message)).toContain("[2026-07-02 user] The ferry leaves tomorrow");
  });
});
