import fc from "fast-check";
import { expect, it } from "vitest";
import { JsonTexts } from "../../src/session/log/json-texts.ts";

it("writes an answer exactly as JSON.stringify does, whichever of its messages are cached", () => {
  const message = fc.dictionary(fc.string(), fc.jsonValue());
  const answer = fc.record({ messages: fc.array(message), meta: fc.jsonValue(), system: fc.constant(undefined) });
  fc.assert(
    fc.property(answer, fc.nat(6), (given, written) => {
      const texts = new JsonTexts();
      for (const one of given.messages.slice(0, written)) texts.write(one);
      expect(texts.answer(given)).toBe(JSON.stringify(given));
    }),
  );
});

it("limits what it caches of a large prompt, and still writes it", () => {
  const messages = Array.from({ length: 5 }, (_, index) => ({ id: index, content: "x".repeat(300_000) }));
  const texts = new JsonTexts();
  for (const message of messages) expect(texts.write(message)).toBe(JSON.stringify(message));
  expect(texts.answer({ messages })).toBe(JSON.stringify({ messages }));
});
