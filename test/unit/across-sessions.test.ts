import { describe, expect, it } from "vitest";
import { wordsToLookFor } from "../../src/prompt/retrieval/across-sessions.ts";
import { MAX_QUERY_LENGTH, MAX_QUERY_TERMS } from "../../src/prompt/retrieval/query.ts";

describe("the words of a search across sessions", () => {
  it.each([
    ["What did you suggest in our earlier conversation about the kiln?", "kiln"],
    ["kilns, a kiln, Kiln's glaze and the glazes", "kilns glaze"],
    ["Was hast du vorhin zum Brennofen gesagt?", "hast du zum Brennofen"],
    ["what did we discuss?", "discuss"],
    ["who are you", "who are you"],
    ["陶芸の窯 陶芸の窯", "陶芸の窯"],
    ["getUserName('ada')", "getUserName ada"],
  ])("for %j are %j", (query, words) => {
    expect(wordsToLookFor(query)).toBe(words);
  });

  it("are no more for a document than for a question: the words of its beginning and end, each once", () => {
    const letters = "abcdefghijklmnopqrstuvwxyz".split("");
    const all = letters.flatMap((one) => letters.map((other) => `q${one}${other}zx`));
    const document = [...all, ...all, "glaze"].join(" ");
    const words = wordsToLookFor(document).split(" ");
    expect(words).toHaveLength(MAX_QUERY_TERMS);
    expect([words[0], words.at(-1)]).toEqual(["qaazx", "glaze"]);
    const repeated = wordsToLookFor("kiln ".repeat(MAX_QUERY_LENGTH));
    expect(repeated).toBe("kiln");
  });
});
