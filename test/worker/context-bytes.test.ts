import { describe, expect, it } from "vitest";
import { contextFormatSchema } from "../../src/api/context.ts";
import { MAX_CONTEXT_BYTES } from "../../src/api/limits.ts";
import type { NewMessage } from "../../src/api/message.ts";
import { jsonBytes } from "../../src/api/text.ts";
import { creationOf, freshRef, said, sessionAt, type SessionRef, unwrap, valueSizes } from "../support/session.ts";

const FILE_BYTES = 190 * 1024;

async function screenshots(count: number): Promise<SessionRef> {
  const ref = freshRef();
  const data = `iVBORw0KGgo${"A".repeat(FILE_BYTES - 11)}`;
  const message: NewMessage = { role: "user", content: [{ type: "file", mediaType: "image/png", data }] };
  for (let at = 0; at < count; at += 5) {
    const messages = Array.from({ length: 5 }, () => message);
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref, { summarizeAfterTokens: 1_000_000 })));
  }
  return ref;
}

describe("a context of more files than the platform can carry", () => {
  it("is answered in every format, with the newest files and the names of the others", async () => {
    const ref = await screenshots(170);
    for (const format of contextFormatSchema.options) {
      const context = unwrap(await sessionAt(ref).context({ maxTokens: 200_000, format }));
      expect(jsonBytes(context), format).toBeLessThanOrEqual(MAX_CONTEXT_BYTES);
      // A prompt of one text names every file, whatever would fit.
      if (format !== "text") expect(jsonBytes(context), format).toBeGreaterThan(20 * FILE_BYTES);
      expect(JSON.stringify(context), format).toMatch(/\[image, 1\d\d KB, message 1\]/);
    }
    const appended = unwrap(
      await sessionAt(ref).append({ messages: [said("hi", "x")], context: { maxTokens: 200_000 } }, null),
    );
    expect(appended).toMatchObject({
      headSeq: 171,
      context: { headSeq: 171, omitted: [{ fromSeq: 1, reason: "budget" }] },
    });
    expect(appended).not.toHaveProperty("contextError");
  });

  it("reads large messages one by one", async () => {
    const ref = await screenshots(40);
    const sizes = await valueSizes(ref, async (session) => {
      unwrap(await session.context({ maxTokens: 200_000 }));
    });
    expect(sizes.largestResult).toBeLessThan(2 * FILE_BYTES);
  });
});
