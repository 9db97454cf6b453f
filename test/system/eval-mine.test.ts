import { expect, it } from "vitest";
import type { NewMessage } from "../../src/api/message.ts";
import { loadThrough, measureMine } from "../../tools/eval/mine.ts";
import { call, sharedService } from "../support/service.ts";

const service = sharedService();

/** Words that nobody else uses, so that none comes back by chance. */
const talk = (count: number): NewMessage[] =>
  Array.from({ length: count }, (_, at) => ({
    role: at % 2 === 0 ? "user" : "assistant",
    content: `Turn on the ${"bcdfghjklm"[at % 10] ?? ""}${"aeiou"[at % 5] ?? ""}oosp and its ${"npqrstvwxz"[at % 10] ?? ""}irm, at length, as people do.`,
  }));

it("a chat of the user's own goes through a service: a query retrieves what the newest messages have no room for", async () => {
  const locker: NewMessage = { role: "user", content: "The locker at the station opens with 4711, remember that." };
  const asked: NewMessage = {
    role: "user",
    content: "I stand at the station with my bags: does the locker open with 4711?",
  };
  const options = {
    transcripts: [{ name: "mine", messages: [locker, ...talk(40), asked] }],
    budgets: [400],
    settings: {},
    probes: 5,
    load: loadThrough(service),
    onProgress: () => undefined,
  };
  const { rows, takenUp, facts } = await measureMine(options);
  expect([takenUp, facts]).toEqual([1, 1]);
  const [newest, summary, queried, whole] = rows;
  expect(newest).toMatchObject({ sent: "newest messages alone", takenUp: 0, facts: 0 });
  expect(summary?.tokens).toBeGreaterThan(100);
  expect(queried).toMatchObject({ sent: "summary and query", takenUp: 1, facts: 1 });
  expect(queried?.tokens).toBeLessThanOrEqual(400);
  expect(whole?.tokens).toBeGreaterThan(400);
  const { body } = await call<{ data: { id: string }[] }>(service, "GET", "/v1/sessions?limit=100");
  expect(body.data.filter(({ id }) => id.startsWith("eval-"))).toEqual([]);
});
