import { rmSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { scoreMatches } from "../../src/prompt/retrieval/bm25.ts";
import { indexText } from "../../src/prompt/retrieval/index-text.ts";
import { createTermHasher, halfSipHash, hashPrefix } from "../../src/prompt/retrieval/keyed-terms.ts";
import { MessageLengths } from "../../src/prompt/retrieval/message-lengths.ts";
import { DEFAULT_RANKING } from "../../src/prompt/retrieval/parameters.ts";
import { matchExpression, MAX_QUERY_TERMS, readQuery } from "../../src/prompt/retrieval/query.ts";
import { snippet } from "../../src/prompt/retrieval/snippet.ts";
import { stem } from "../../src/prompt/retrieval/stem.ts";
import { analyze } from "../../src/prompt/retrieval/terms.ts";
import { TurnScores } from "../../src/prompt/retrieval/turn-scores.ts";
import { SearchIndex } from "../../src/session/search/text-index.ts";
import { buildIndex, loadMessages, nodeStorage } from "../../tools/eval/retrieval.ts";
import type { Turn } from "../../tools/eval/retrieval.ts";

const JULY_5 = Date.UTC(2024, 6, 5, 9);
const directory = mkdtempSync(path.join(tmpdir(), "retrieval-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function turn(content: string, more: Partial<Turn> = {}): Turn {
  return { role: "user", author: null, content, occurredAtMs: JULY_5, ...more };
}

function filler(count: number): Turn[] {
  return Array.from({ length: count }, (_, i) => turn(`Nothing much to report today, entry ${i}.`));
}

/** Scores of turns by who speaks: a user, an assistant, or nobody. */
function scoresOf(sides: string, isMonologue = false): TurnScores {
  const lengths = new MessageLengths();
  for (const [at, side] of [...sides].entries()) lengths.set(at + 1, side === "u" ? 9 : side === "a" ? -9 : 0);
  const scores = new TurnScores();
  scores.begin({ lastSeq: sides.length, lengths, isMonologue });
  return scores;
}

/** The seqs found, best first; the turns have seqs from 1. */
function find(turns: readonly Turn[], query: string, limit = 5): number[] {
  return buildIndex(loadMessages(turns))
    .search(query, { limit })
    .map(({ seq }) => seq);
}

const terms = (query: string, authors: string[] = []): string[] =>
  readQuery(query, authors).terms.map(({ term }) => term);

describe("a short log", () => {
  it("ranks a turn with the rare word before its neighbour with the common one", () => {
    const said = (seq: number): Turn =>
      turn(`Turn ${seq}: crate ${6_999 + seq} went to the harbour office of Porto on day ${seq}.`, {
        role: seq % 2 === 1 ? "user" : "assistant",
      });
    expect(find([said(1), turn("Changed.", { role: "assistant" }), said(3), said(4)], "crate 7002")[0]).toBe(3);
    for (const seq of [1, 2, 3, 4, 5, 6]) {
      expect(find([1, 2, 3, 4, 5, 6].map(said), `crate ${6_999 + seq}`)[0]).toBe(seq);
    }
  });
});

describe("terms", () => {
  it("are stems, of regular and irregular forms alike", () => {
    expect(["running", "ran", "runs"].map(stem)).toEqual(["run", "run", "run"]);
    expect(["relational", "hopefulness", "ponies", "agreed", "women", "bought"].map(stem)).toEqual([
      "relat",
      "hope",
      "poni",
      "agre",
      "woman",
      "bui",
    ]);
  });
  it("ignore case, width, accents and contractions", () => {
    expect(analyze("Ｃafé DÉJÀ naïve Anna's don't")).toEqual(analyze("cafe deja naive anna do"));
  });
  it("are pairs of characters in scripts without spaces, with vowel signs kept at their letter", () => {
    expect(analyze("黑猫")).toEqual(["黑猫", "猫"]);
    expect(analyze("สวัสดี").every((term) => !/^\p{M}/u.test(term))).toBe(true);
  });
  it("of text without a word are none, and lone surrogates do no harm", () => {
    expect(analyze("… !? 🎉 \ud800")).toEqual([]);
  });
  it("of 270,000 characters without a space, a stop or a question mark take linear time", () => {
    const start = performance.now();
    for (const text of ["x".repeat(270_000), "word ".repeat(54_000), "y'".repeat(135_000), "猫が".repeat(100_000)]) {
      indexText({ role: "user", author: null, content: text, saidAt: 0 });
    }
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

describe("a term in the index", () => {
  const hash = createTermHasher([1, 2]);

  it("is a hash with the test vectors of the algorithm", () => {
    // vectors_hsip64 of the reference implementation: the bytes 0, 1, 2 … with the key of the bytes 0 to 7.
    const vectors = [
      [0, 0x591f8d21, 0xc83cb8b9],
      [2, 0xef394f06, 0x57eb507c],
      [8, 0x20e8feed, 0x8c85e4bc],
      [62, 0xb53a0bf9, 0x9366d472],
    ] as const;
    for (const [bytes, low, high] of vectors) {
      const units = Array.from({ length: bytes / 2 }, (_, at) => 2 * at + 256 * (2 * at + 1));
      expect(halfSipHash(String.fromCharCode(...units), [0x03020100, 0x07060504])).toEqual([low, high]);
    }
  });
  it("consists of letters and digits that FTS5 neither folds nor splits, and differs for each key", () => {
    const words = [...analyze("running Ａ naïve 黑猫 สวัสดี x١٢"), "§2024", "8§rose", "2§黑猫"];
    for (const term of words) expect(hash(term)).toMatch(/^[0-9a-v]{10,13}$/);
    expect(new Set(words.map(hash)).size).toBe(words.length);
    expect(words.map(createTermHasher([1, 3])).some((hashed) => words.map(hash).includes(hashed))).toBe(false);
  });
  it("says how often a word occurs, and begins the same for all pairs with the same first character", () => {
    expect(hash("3§rose")).toBe(`${hash("rose")}3`);
    for (const pair of ["猫", "猫が", "2§猫が"]) expect(hash(pair).startsWith(hashPrefix("猫", [1, 2]))).toBe(true);
    expect(hash("黑猫").startsWith(hashPrefix("猫", [1, 2]))).toBe(false);
  });
});

describe("the index terms of a message", () => {
  const essay = "A long explanation follows here. ".repeat(40);
  it("are different for an assistant's answer", () => {
    const index = (role: "user" | "assistant", content: string) =>
      indexText({ role, author: null, content, saidAt: JULY_5 });
    expect(index("assistant", essay).length).toBe(-205);
    expect(index("assistant", "Blue, I think.").length).toBe(-8);
    expect(index("user", essay).length).toBe(205);
    expect(index("assistant", "Blue.").terms).toMatch(/^~blue /);
  });
  it("say how much of it is questions, in any script", () => {
    const asks = (content: string): number => indexText({ role: "user", author: null, content, saidAt: JULY_5 }).asks;
    expect(asks("I moved to Lisbon.")).toBe(0);
    expect(asks("Where do you live?")).toBeGreaterThan(0.9);
    expect(asks("你住在哪里？")).toBeGreaterThan(0.8);
    expect(asks("I moved to Lisbon. Where do you live?")).toBeLessThan(0.6);
  });
  it("include each word of a block of code once, marked, and not in its length", () => {
    const content = "My form fails:\n```js\nsubmit(form); submit(form);\n```\nWhat now?";
    const { terms: indexed, length } = indexText({ role: "user", author: null, content, saidAt: JULY_5 });
    expect(indexed).toContain(" ` `js `submit `form ");
    expect(indexed).not.toContain("2§");
    expect(length).toBe(5 + 5);
  });
  it("include parts of long words; of English ones only the longest", () => {
    const runs = (content: string): number =>
      indexText({ role: "user", author: null, content, saidAt: JULY_5 })
        .terms.split(" ")
        .filter((term) => term[0] === "^").length;
    expect(runs("Die Haftpflicht ist bezahlt.")).toBe(1 + 8);
    expect(runs("We have to make it more readable for all of them.")).toBe(0);
    expect(runs("x".repeat(300))).toBe(0);
  });
  it("fit into a row of a Durable Object, however long the message is, and leave out no date", () => {
    for (const content of ["猫が".repeat(2_000_000), Array.from({ length: 700_000 }, (_, i) => `w${i}`).join(" ")]) {
      const indexed = indexText({ role: "user", author: null, content, saidAt: JULY_5 });
      expect(Buffer.byteLength(indexed.terms)).toBeLessThan(1_600_000);
      expect(indexed.terms).toContain(" §20240705 ");
    }
  });
  it("come from the text of its parts", () => {
    const content = [
      { type: "text" as const, text: "My bicycle" },
      { type: "text" as const, text: "was stolen" },
    ];
    const indexed = indexText({ role: "user", author: null, content, saidAt: JULY_5 });
    expect(indexed.terms).toBe("my bicycl wa steal §2024 §202407 §m07 §20240705 §m0705");
  });
});

describe("reading a query", () => {
  it("turns every operator of FTS5 into a word or nothing", () => {
    for (const query of [
      '"',
      "'",
      "*",
      "a* OR b",
      "NEAR(a b, 2)",
      "said : x",
      "^start",
      "-not",
      "(",
      "{said}:",
      '""";--',
      "a + b",
      "\0",
    ]) {
      expect(() => find([turn("start of a b x"), ...filler(3)], query)).not.toThrow();
    }
    expect(matchExpression({ term: 'a" OR b' })).toBe('"a"" OR b"');
  });
  it("takes out names of authors and words without a subject, unless nothing else is left", () => {
    expect(terms("What did Marta cook for her friends?", ["Marta", "Igor"])).toEqual(["cook", "friend"]);
    expect(terms("Marta", ["Marta", "Igor"])).toEqual(["marta"]);
    expect(terms("who are you")).toEqual(["who", "ar", "you"]);
  });
  it("recognizes short forms of a name by their capital, so that no word turns into a name", () => {
    expect(readQuery("Where does Mar live?", ["Marta", "Igor"]).authors).toEqual(["Marta"]);
    expect(readQuery("what about the mar", ["Marta", "Igor"]).authors).toEqual([]);
    expect(readQuery("When will it rain?", ["Will", "Igor"]).authors).toEqual([]);
    expect(readQuery("Did Will and I agree", ["Will", "Igor"]).authors).toEqual(["Will"]);
  });
  it("prefers nobody if all authors are named", () => {
    expect(readQuery("Marta and Igor", ["Marta", "Igor"]).authors).toEqual([]);
  });
  it("reads dates, including the day after, and does not take a verb for a month", () => {
    const dates = (query: string): string[] => readQuery(query).dates.map(({ term }) => term);
    expect(dates("on 31 July 2024")).toEqual(["§202407", "§20240731", "§20240801", "§2024"]);
    expect(dates("July 5th")).toEqual(["§m07", "§m0705", "§m0706"]);
    expect(dates("2024-07-05")).toContain("§20240705");
    expect(dates("may I march along?")).toEqual([]);
    expect(dates("back in May")).toEqual(["§m05"]);
    expect(dates("2024-13-77, 99 July")).toEqual(["§2024", "§m07"].toSorted().toReversed());
  });
  it("of 100 KB is bounded in time and terms", () => {
    const query = Array.from({ length: 15_000 }, (_, i) => `word${i}`).join(" ");
    const turns = [turn("word3 stands at the beginning"), turn("word14999 at the end"), ...filler(5)];
    const start = performance.now();
    expect(find(turns, query).slice(0, 2).toSorted()).toEqual([1, 2]);
    expect(performance.now() - start).toBeLessThan(5_000);
    expect(readQuery(query).terms.length).toBeLessThanOrEqual(MAX_QUERY_TERMS);
  });
  it("that is empty finds nothing", () => {
    expect(find(filler(3), "")).toEqual([]);
    expect(find(filler(3), " \n?! ")).toEqual([]);
  });
});

describe("search", () => {
  it.each([
    ["Chinese", "我妹妹在上海开了一家面包店。", "面包店在哪里？"],
    ["Chinese, one character", "我家有一只猫", "猫"],
    ["Japanese", "来週、京都へ旅行に行きます。", "京都旅行"],
    ["Korean", "저는 고양이를 좋아해요", "고양이"],
    ["Thai", "พรุ่งนี้ฉันจะไปเชียงใหม่", "เชียงใหม่"],
    ["Arabic, with and without vowel signs", "اشتريتُ سَيَّارَةً جديدة", "سيارة"],
    ["Hindi", "मेरी बहन दिल्ली में रहती है", "दिल्ली"],
    ["Russian", "Мой поезд опоздал на три часа", "поезд"],
    ["Greek, without its accent", "Το σπίτι είναι μπλε", "σπιτι"],
  ])("finds %s", (_language, text, query) => {
    expect(find([...filler(10), turn(text), ...filler(10)], query)[0]).toBe(11);
  });

  it("finds an answer that repeats no word of its question, by the question before it", () => {
    const turns = [
      ...filler(8),
      turn("Which instrument did you pick?", { author: "Igor" }),
      turn("The cello!", { author: "Marta" }),
      ...filler(8),
    ];
    expect(find(turns, "What instrument does Marta play?", 2)).toContain(10);
  });
  it("gives a turn more of the score of turns before it than of those after it", () => {
    const scores = scoresOf("uuuuu");
    scores.addTerms([{ term: 0, seqs: [3], scores: [1], lends: true }]);
    expect(scores.of(4)).toBeGreaterThan(scores.of(2));
    expect(scores.top(3)).toEqual([3, 4, 5]);
  });
  it("counts a term once, however many neighbours repeat it", () => {
    const scores = scoresOf("uuuuuuuuu");
    scores.addTerms([{ term: 0, seqs: [4, 5, 6], scores: [1, 1, 1], lends: true }]);
    expect(scores.of(5)).toBe(1);
  });
  it("counts a term once, in however many fields of a turn", () => {
    const scores = scoresOf("uuu");
    scores.addTerms([
      { term: 0, seqs: [2], scores: [1], lends: true },
      { term: 0, seqs: [2], scores: [0.3], lends: false },
      { term: 1, seqs: [2], scores: [1], lends: true },
    ]);
    expect(scores.of(2)).toBe(2);
  });
  it("gives half as much across exchanges, also over turns without words", () => {
    const [within, across] = ["uauua", "uua-u"].map((sides) => {
      const scores = scoresOf(sides);
      scores.addTerms([{ term: 0, seqs: [2], scores: [1], lends: true }]);
      return scores;
    });
    expect(within?.of(1)).toBe(0.35);
    expect(within?.of(3)).toBe(0.65 / 2);
    expect(within?.of(4)).toBe(0.42 / 2);
    expect(across?.of(3)).toBe(0.65);
    expect(across?.of(5)).toBe(0.25 / 2);
    expect(across?.of(1)).toBe(0.35);
    const back = scoresOf("uau");
    back.addTerms([{ term: 0, seqs: [3], scores: [1], lends: true }]);
    expect(back.of(2)).toBe(0.35 / 2);
  });
  it("gives little if only one person speaks, and nothing of what is in code", () => {
    const alone = scoresOf("uu", true);
    alone.addTerms([{ term: 0, seqs: [1], scores: [1], lends: true }]);
    expect(alone.of(2)).toBeCloseTo(0.13);
    const code = scoresOf("uu");
    code.addTerms([{ term: 0, seqs: [1], scores: [1], lends: false }]);
    expect(code.of(2)).toBe(0);
  });
  it("ranks the turns of an author first whom the query names", () => {
    const turns = [
      ...filler(6),
      turn("I adopted a parrot", { author: "Igor" }),
      ...filler(9),
      turn("I adopted a parrot", { author: "Marta" }),
      ...filler(6),
    ];
    expect(find(turns, "Did Igor adopt a parrot?")[0]).toBe(7);
    expect(find(turns, "Did Marta adopt a parrot?")[0]).toBe(17);
  });
  it("knows who said the newest message, and no other", () => {
    const turns = [turn("The boats leave at nine.", { author: "Jonas" }), ...filler(5)];
    const newest = turn("The boats leave at nine.", { author: "Mira" });
    expect(find([...turns, newest], "what did Jonas say about boats")[0]).toBe(1);
  });

  it("ranks what the user said before an assistant's essay with the same words", () => {
    const essay = `About the greenhouse: ${"many things could be said of glass and light. ".repeat(15)}`;
    const turns = [
      ...filler(6),
      turn(essay, { role: "assistant" }),
      ...filler(9),
      turn("The greenhouse is 4 m long."),
      ...filler(6),
    ];
    expect(find(turns, "greenhouse")[0]).toBe(17);
  });
  /** Exchanges of a chat with an assistant, each a question and its answer. */
  const exchanges = (count: number): Turn[] =>
    Array.from({ length: count }, (_, i) => [
      turn(`Could you help with chore ${i}?`),
      turn(`For chore ${i} take a cloth and water.`, { role: "assistant" }),
    ]).flat();

  it("ranks a user's question lower if an assistant answers it, and less so among people", () => {
    const asked = turn("Which paint is right for the shed, the red one?");
    const told = turn("The shed gets the red paint, I am right.");
    const answer = turn("That depends.", { role: "assistant" });
    const answered = [...exchanges(4), asked, answer, ...exchanges(4), told, ...exchanges(4)];
    const hits = buildIndex(loadMessages(answered)).search("paint shed red right", { limit: 20 });
    const scoreOf = (seq: number): number => hits.find((hit) => hit.seq === seq)?.score ?? 0;
    expect(scoreOf(9)).toBeGreaterThan(scoreOf(19) * 0.85);
    const amongPeople = [...filler(4), turn("The shed is red."), ...filler(5), turn("The shed is red?"), ...filler(4)];
    expect(find(amongPeople, "red shed")[0]).toBe(5);
  });
  it("judges how rare a user's word is by what users say", () => {
    const turns = Array.from({ length: 12 }, (_, i) => [
      turn(i === 3 ? "The budget is 400." : `The tile number ${i} broke.`),
      turn(`Mind the budget, and mind the tile.`, { role: "assistant" }),
    ]).flat();
    expect(find(turns, "budget tile", 1)).toEqual([7]);
  });
  it("scores a user's turn as if there were no answers, and an answer as if there were no users", () => {
    const scoreIn = (logLengths: readonly number[], field: "user" | "answer"): number | undefined => {
      const lengths = new MessageLengths();
      // Often enough that the log does not count as short.
      const all = Array.from({ length: 20 }, () => logLengths).flat();
      for (const [at, length] of all.entries()) lengths.set(at + 1, length);
      const judging = { lengths, statistics: lengths.statistics(all.length), parameters: DEFAULT_RANKING };
      const term = { index: 0, field, tokens: ["x"], isPrefix: false, documents: 1, allDocuments: 1, weight: 1 };
      return scoreMatches(term, [1], [1], judging).scores[0];
    };
    expect(scoreIn([12, -300, 10, -280, 9, -310], "user")).toBe(scoreIn([12, 10, 9], "user"));
    expect(scoreIn([-30, 300, -31, 280, -29, 310], "answer")).toBe(scoreIn([-30, -31, -29], "answer"));
  });
  it("prefers answers if the query asks for what the assistant said, and only then", () => {
    const turns = [
      ...exchanges(6),
      turn("I need a primer for the shed, one that dries in a day."),
      turn("Take the zinc primer for the shed.", { role: "assistant" }),
      ...exchanges(6),
    ];
    expect(find(turns, "Which primer did you recommend for the shed?")[0]).toBe(14);
    expect(find(turns, "Welchen primer hast du für den shed empfohlen?")[0]).toBe(14);
    const index = buildIndex(loadMessages(turns));
    const scoreIn = (query: string): number =>
      index.search(query, { limit: 9 }).find(({ seq }) => seq === 14)?.score ?? 0;
    const plain = scoreIn("Which primer for the shed?");
    expect(scoreIn("Which primer would you suggest for the shed?")).toBeCloseTo(plain);
    expect(scoreIn("Which primer did you recommend for the shed?")).toBeCloseTo(2 * plain);
  });
  it("gives words about the chat less weight than those of the subject", () => {
    const turns = [
      ...filler(6),
      turn("I mentioned it in our conversation."),
      ...filler(8),
      turn("My lighthouse has a leak."),
      ...filler(6),
    ];
    expect(find(turns, "What did I mention of the lighthouse in our conversation?")[0]).toBe(16);
    expect(find(turns, "conversation")[0]).toBe(7);
  });
  it("finds a word that occurs in half of a short log, and displaces no match by its neighbours", () => {
    const notes = ["我妹妹叫小红。", "小红在上海工作。", "我的生日是五月。", "爸爸喜欢钓鱼。", "小红的猫叫雪球。"].map(
      (text) => turn(text),
    );
    expect(find(notes, "小红", 3).toSorted()).toEqual([1, 2, 5]);
    const english = [
      "My sister is Ann.",
      "Ann works in Oslo.",
      "I was born in May.",
      "Dad goes fishing.",
      "Ann has a cat.",
    ];
    expect(
      find(
        english.map((text) => turn(text)),
        "Ann",
        3,
      ).toSorted(),
    ).toEqual([1, 2, 5]);
  });
  it.each([
    ["a part of a German compound", "Wir haben eine Krankenversicherung abgeschlossen.", "Versicherung"],
    ["its first part", "Die Haftpflichtversicherung ist teuer.", "Haftpflicht"],
    ["a plural of its part", "Mein Versicherungsvertrag läuft aus.", "Verträge Versicherungen"],
    ["a short part", "Sie liegt im Krankenhaus.", "Haus"],
    [
      "a compound by a part that stands alone",
      "Die Karte der Krankenversicherung ist weg.",
      "Krankenversicherungskarte",
    ],
    ["a Swedish compound", "Jag har en sjukförsäkring hos dem.", "försäkring"],
    ["a compound of three", "Die Kraftfahrzeughaftpflichtversicherung ist bezahlt.", "haftpflicht"],
    ["part of a name in camel case", "Then getUserProfile returns null.", "profile"],
    ["a part after capitals", "We use the XMLHttpRequest there.", "http request"],
    ["a name in camel case by its parts", "The profile of the user is gone.", "userProfile"],
    ["part of a path", "It fails in src/session/search-index.ts at line 9.", "session search index"],
    ["part of a name in snake case", "The column paid_until is empty.", "paid until"],
    ["a name in a block of code", "It fails:\n```ts\nawait openLedger(path)\n```", "openLedger"],
    ["its part", "```ts\nawait openLedger(path)\n```", "ledger"],
  ])("finds %s", (_what, text, query) => {
    expect(find([...filler(10), turn(text), ...filler(10)], query, 1)).toEqual([11]);
  });
  it("does not take a word for a compound only because it begins and ends like the searched part", () => {
    expect(find([...filler(10), turn("Die Versickerungsrechnung kam an.")], "Versicherung")).toEqual([]);
  });
  it("ranks text before code, and a whole word before a part", () => {
    const code = turn("Like this:\n```js\nledger(ledger, ledger)\n```");
    expect(find([...filler(6), code, ...filler(8), turn("The ledger is lost."), ...filler(6)], "ledger")[0]).toBe(16);
    const part = turn("Die Haftpflichtversicherung ist teuer.");
    const whole = turn("Meine Versicherung ist eine gute.");
    expect(find([...filler(6), part, ...filler(8), whole, ...filler(6)], "Versicherung").slice(0, 2)).toEqual([16, 7]);
  });
  it("finds the turns of a date", () => {
    const turns = [...filler(12), turn("We painted the fence", { occurredAtMs: Date.UTC(2023, 2, 9) }), ...filler(12)];
    expect(find(turns, "What happened on 8 March 2023?")[0]).toBe(13);
  });
  it("respects throughSeq and the limit", () => {
    const turns = Array.from({ length: 40 }, () => turn("a walk by the river"));
    const index = buildIndex(loadMessages(turns));
    const hits = index.search("river", { limit: 10, throughSeq: 20 });
    expect(hits).toHaveLength(10);
    expect(hits.every(({ seq }) => seq <= 20)).toBe(true);
    expect(index.search("river", { limit: 0 })).toEqual([]);
  });
  it("says why a turn was found", () => {
    const turns = [...filler(6), turn("My kiln arrived", { author: "Igor" }), ...filler(6)];
    const [hit] = buildIndex(loadMessages([...turns, turn("ok", { author: "Marta" })])).search("Igor's kiln in July", {
      limit: 1,
    });
    expect(hit).toMatchObject({ seq: 7, why: "matches kiln; of the date asked for; by Igor" });
  });
  it("skips common terms, but lets them decide between turns that share a rare one", () => {
    const turns = Array.from({ length: 4_000 }, (_, i) => turn(i % 3 === 0 ? "tea in the garden" : "nothing at all"));
    turns[1_000] = turn("a quokka in the garden");
    turns[3_001] = turn("a quokka in the harbour");
    const index = buildIndex(loadMessages(turns));
    expect(index.search("quokka garden", { limit: 2 }).map(({ seq }) => seq)).toEqual([1_001, 3_002]);
    expect(index.search("tea garden", { limit: 3 })).toHaveLength(3);
  });
});

describe("a search as of a message", () => {
  const QUERIES = ["walrus ice", "What did Igor say of the ice?", "猫", "tea", "the walrus of July 2024", "zebra"];
  const WORDS = ["walrus", "walrus walrus", "ice", "tea", "tea tea tea", "kiln", "猫が好き", "garden", "slept"];
  const AUTHORS = [null, "Igor", "Marta", "Ice"];
  const randomTurn = fc
    .record({ words: fc.array(fc.constantFrom(...WORDS), { maxLength: 6 }), author: fc.constantFrom(...AUTHORS) })
    .map(({ words, author }) => turn(words.join(" "), { author }));
  const findAll = (index: SearchIndex, throughSeq: number): unknown =>
    QUERIES.map((query) => index.search(query, { limit: 5, throughSeq }));

  it("is that of a session that ends there, whatever was appended, edited or erased later", () => {
    fc.assert(
      fc.property(
        fc.array(randomTurn, { minLength: 2, maxLength: 30 }),
        fc.array(fc.record({ at: fc.nat(29), replacement: fc.option(fc.constantFrom(...WORDS)) }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 30 }),
        fc.integer({ min: 1, max: 12 }),
        (turns, changes, atSeq, slice) => {
          const throughSeq = Math.min(atSeq, turns.length);
          const whole = loadMessages(turns);
          const index = new SearchIndex(nodeStorage(whole));
          while (!index.catchUp(slice).done) findAll(index, throughSeq);
          const start = loadMessages(turns.slice(0, throughSeq));
          for (const { at, replacement } of changes) {
            const seq = 1 + (at % turns.length);
            for (const database of [whole, start]) {
              if (replacement === null)
                database.prepare("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq = ?").run(seq);
              else {
                const edit = "UPDATE messages SET content = ? WHERE seq = ? AND erased_at IS NULL";
                database.prepare(edit).run(JSON.stringify(replacement), seq);
              }
            }
            if (replacement === null) index.remove([seq]);
            else index.update(seq);
          }
          expect(findAll(index, throughSeq)).toEqual(findAll(buildIndex(start), throughSeq));
          expect(findAll(new SearchIndex(nodeStorage(whole)), throughSeq)).toEqual(findAll(index, throughSeq));
        },
      ),
    );
  });

  it("ranks words that are common now as rare as they were then", () => {
    const turns = [...filler(20), turn("tea in the garden"), ...Array.from({ length: 2_500 }, () => turn("more tea"))];
    const index = buildIndex(loadMessages(turns));
    const start = buildIndex(loadMessages(turns.slice(0, 25)));
    for (const throughSeq of [25, 2_521, 25]) {
      const found = index.search("tea garden", { limit: 5, throughSeq });
      if (throughSeq === 25) expect(found).toEqual(start.search("tea garden", { limit: 5 }));
      else expect(found).not.toEqual(start.search("tea garden", { limit: 5 }));
    }
  });

  it("forgets its cache when the surrounding transaction is rolled back", () => {
    const database = loadMessages([...filler(4), turn("a walrus"), turn("a walrus walrus")]);
    const index = buildIndex(database);
    const before = findAll(index, 6);
    database.exec("BEGIN");
    database.exec("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq = 5");
    new SearchIndex({ ...nodeStorage(database), transactionSync: (body) => body() }).remove([5]);
    expect(findAll(index, 6)).not.toEqual(before);
    database.exec("ROLLBACK");
    expect(findAll(index, 6)).toEqual(before);
  });
});

describe("the index", () => {
  const stored = (file: string): string => readFileSync(file).toString("utf8");

  it("is only written by catching up: searching an empty or unindexed session writes nothing", () => {
    const database = loadMessages([]);
    const index = new SearchIndex(nodeStorage(database));
    expect(index.search("x", { limit: 5 })).toEqual([]);
    expect(index.indexedThroughSeq).toBe(0);
    expect(index.catchUp()).toEqual({ indexedThroughSeq: 0, done: true });
    index.remove([1]);
    index.update(1);
    expect(database.prepare("SELECT name FROM sqlite_master").all()).toHaveLength(1);
  });
  it("catches up in slices of messages or bytes, and continues in another instance", () => {
    const database = loadMessages([...filler(10), turn("large ".repeat(5_000)), turn("a walrus")]);
    const index = new SearchIndex(nodeStorage(database));
    expect(index.catchUp(4)).toEqual({ indexedThroughSeq: 4, done: false });
    expect(index.catchUp(100, 20_000)).toEqual({ indexedThroughSeq: 11, done: false });
    const later = new SearchIndex(nodeStorage(database));
    expect(later.catchUp(100)).toEqual({ indexedThroughSeq: 12, done: true });
    expect(later.search("walrus", { limit: 1 })[0]?.seq).toBe(12);
  });
  it("writes nothing if it is up to date", () => {
    const database = loadMessages(filler(3));
    const index = buildIndex(database);
    const changes = (): unknown => database.prepare("SELECT total_changes() AS n").get()?.["n"];
    const before = changes();
    expect(index.catchUp()).toEqual({ indexedThroughSeq: 3, done: true });
    expect(changes()).toBe(before);
  });
  it("skips erased messages, also at the end of a slice", () => {
    const database = loadMessages([...filler(3), turn("a walrus")]);
    database.exec("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq >= 3");
    const index = buildIndex(database);
    expect(index.indexedThroughSeq).toBe(4);
    expect(index.search("walrus", { limit: 1 })).toEqual([]);
  });
  it("rolls a slice back as a whole if a message cannot be read", () => {
    const database = loadMessages([...filler(2), turn("x")]);
    database.exec("UPDATE messages SET content = '{' WHERE seq = 3");
    const index = new SearchIndex(nodeStorage(database));
    expect(() => index.catchUp()).toThrow("JSON");
    expect(index.indexedThroughSeq).toBe(0);
  });
  it("finds an edited message only by its new words, and keeps its counts right", () => {
    const database = loadMessages([...filler(4), turn("a walrus", { author: "Marta" }), ...filler(4)]);
    const index = buildIndex(database);
    database.exec(`UPDATE messages SET content = '"an ostrich"' WHERE seq = 5`);
    index.update(5);
    index.update(5);
    expect(index.search("walrus", { limit: 1 })).toEqual([]);
    expect(index.search("ostrich", { limit: 1 })[0]?.seq).toBe(5);
    expect(database.prepare("SELECT count(*) AS n FROM search_authors WHERE trim(author) <> ''").get()).toEqual({
      n: 1,
    });
    expect(() => database.exec("INSERT INTO search_index (search_index) VALUES ('integrity-check')")).not.toThrow();
  });
  it("finds a removed message neither by its words nor as a neighbour, and forgets its author", () => {
    const index = buildIndex(loadMessages([turn("a walrus"), turn("Indeed.", { author: "Marta" }), turn("Yes.")]));
    index.remove([2]);
    index.remove([2]);
    expect(index.search("walrus", { limit: 5 }).map(({ seq }) => seq)).toEqual([1, 3]);
    expect(index.readQuery("Marta swims").terms.map(({ term }) => term)).toEqual(["marta", "swim"]);
  });
  it("leaves no erased word in the pages of the database", () => {
    const file = path.join(directory, "erase.db");
    const secrets = Array.from({ length: 600 }, (_, i) => `zq${((i + 1) * 7_919_777).toString(36)}vx`);
    const database = loadMessages(
      secrets.map((secret) => turn(`The code word is ${secret}, keep it.`, { author: "Marta" })),
      file,
    );
    const index = buildIndex(database);
    // The messages are in another database; only the pages of the index are examined.
    database.exec("UPDATE messages SET content = NULL; VACUUM");
    expect(secrets.filter((secret) => stored(file).includes(secret)).length).toBe(600);
    const erased = secrets.filter((_, i) => i % 3 === 0);
    index.remove(secrets.flatMap((_, i) => (i % 3 === 0 ? [i + 1] : [])));
    const bytes = stored(file);
    expect(erased.filter((secret) => bytes.includes(secret))).toEqual([]);
    // Terms are stored without what they share with the term before.
    expect(erased.filter((secret) => bytes.includes(secret.slice(4)))).toEqual([]);
    expect(index.search(secrets[0] ?? "", { limit: 5 })).toEqual([]);
    expect(index.search(secrets[1] ?? "", { limit: 1 })[0]?.seq).toBe(2);
    database.close();
  });
  it("has no word in the pages of FTS5, whose unused space cannot be cleared", () => {
    const database = loadMessages([turn("a walrus in 猫が", { author: "Marta" }), ...filler(300)]);
    buildIndex(database);
    const blobs = database.prepare("SELECT block FROM search_index_data").all();
    expect(blobs.length).toBeGreaterThan(0);
    const bytes = blobs.map(({ block }) => (block instanceof Uint8Array ? Buffer.from(block).toString() : "")).join();
    for (const word of ["walrus", "noth", "report", "猫が", "2024", "Marta"]) expect(bytes).not.toContain(word);
    expect(JSON.stringify(database.prepare("SELECT term FROM search_index_idx").all())).not.toContain("walrus");
  });
  it("leaves no word of an edited or erased text next to what grew by an edit, with a search after each", () => {
    const file = path.join(directory, "edits.db");
    const words = (name: string, count: number): string =>
      Array.from({ length: count }, (_, i) => `${name}${(i * 7_919 + 11).toString(36)}q`).join(" ");
    const database = new DatabaseSync(file);
    // The messages are in another database; only the pages of the index are examined.
    database.exec(`PRAGMA synchronous = OFF; ATTACH ':memory:' AS log`);
    database.exec(
      "CREATE TABLE log.messages (seq INTEGER PRIMARY KEY, role, author, content, held_bytes DEFAULT 0, occurred_at, created_at, erased_at)",
    );
    const index = new SearchIndex(nodeStorage(database));
    const add = database.prepare("INSERT INTO messages (role, content, created_at) VALUES ('user', ?, 0)");
    for (let seq = 1; seq <= 60; seq++) {
      add.run(JSON.stringify(words(`old${seq}x`, 8)));
      index.catchUp();
    }
    const edit = database.prepare("UPDATE messages SET content = ? WHERE seq = ?");
    // Every third message grows repeatedly, past its row, past its page and past what ranking reads of it.
    for (const size of [4, 12, 40, 900, 4_000, 2, 0]) {
      for (let seq = 3; seq <= 60; seq += 3) {
        edit.run(JSON.stringify(words(`new${seq}y${size}z`, seq % 2 === 0 ? size : Math.min(size, 900))), seq);
        index.update(seq);
        expect(index.search(words(`new${seq}y${size}z`, 1), { limit: 1 })[0]?.seq).toBe(size === 0 ? undefined : seq);
      }
    }
    for (let seq = 1; seq <= 60; seq += 3) index.remove([seq, seq + 1]);
    for (let seq = 3; seq <= 60; seq += 3) index.remove([seq]);
    expect(() => database.exec("INSERT INTO search_index (search_index) VALUES ('integrity-check')")).not.toThrow();
    database.close();
    const bytes = stored(file);
    const left = Array.from({ length: 60 }, (_, i) => i + 1).filter(
      (seq) => bytes.includes(`old${seq}x`) || bytes.includes(`new${seq}y`),
    );
    expect(left).toEqual([]);
  });
  it("takes no more room for a message that is edited repeatedly", () => {
    const database = loadMessages([...filler(3), turn("a"), ...filler(3)]);
    const index = buildIndex(database);
    const edit = database.prepare("UPDATE messages SET content = ? WHERE seq = 4");
    for (let length = 1; length <= 600; length++) {
      edit.run(JSON.stringify(Array.from({ length }, (_, i) => `word${i}`).join(" ")));
      index.update(4);
    }
    const rows = database.prepare("SELECT count(*) AS n FROM search_edits WHERE row > 0").get()?.["n"];
    expect(rows).toBeLessThanOrEqual(8);
    expect(index.search("word599", { limit: 1 })[0]?.seq).toBe(4);
    const total = (): unknown => database.prepare("SELECT total_changes() AS n").get()?.["n"];
    const before = Number(total());
    edit.run(JSON.stringify(`${Array.from({ length: 600 }, (_, i) => `word${i}`).join(" ")} kiwi`));
    index.update(4);
    // The one word and a few rows beside it, but not the six hundred rows that stay.
    expect(Number(total()) - before).toBeLessThan(16);
  });
  it("is kept through an edit and an erasure in a long session, at the cost of only the message's own words", () => {
    const database = loadMessages([
      turn("a walrus", { author: "Marta" }),
      ...Array.from({ length: 6_000 }, (_, i) => turn(`tea in garden ${i % 50} at ${i % 700}`)),
    ]);
    const index = buildIndex(database);
    index.search("tea garden walrus", { limit: 5 });
    const changes = (): number => Number(database.prepare("SELECT total_changes() AS n").get()?.["n"]);
    const priceOf = (work: () => void): number => {
      const before = changes();
      work();
      return changes() - before;
    };
    database.exec(`UPDATE messages SET content = '"an ostrich and tea"' WHERE seq = 3000`);
    expect(priceOf(() => index.update(3_000))).toBeLessThan(60);
    database.exec("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq = 2000");
    expect(priceOf(() => index.remove([2_000]))).toBeLessThan(60);
    expect(priceOf(() => expect(index.catchUp().done).toBe(true))).toBe(0);
    // A change of a message that was never indexed costs nothing.
    database.prepare("INSERT INTO messages (role, content, created_at) VALUES ('user', '\"tea\"', 0)").run();
    expect(priceOf(() => index.update(6_002))).toBe(0);
    expect(priceOf(() => index.remove([6_002]))).toBe(0);
    expect(index.indexedThroughSeq).toBe(6_001);
    expect(index.search("ostrich", { limit: 1 })[0]?.seq).toBe(3_000);
    expect(index.search("walrus", { limit: 1 })[0]?.seq).toBe(1);
  });
  it("counts common words right after edits and erasures, without counting all of them anew", () => {
    const turns = Array.from({ length: 2_000 }, (_, i) => turn(`${i % 3 === 0 ? "tea tea" : "milk"} and 猫${i % 9}`));
    const database = loadMessages(turns);
    const index = buildIndex(database);
    const queries = ["tea", "milk tea", "猫", "tea 猫 milk", "ostrich tea"];
    const ask = (asked: SearchIndex): unknown => queries.map((query) => asked.search(query, { limit: 8 }));
    ask(index);
    for (let seq = 1; seq <= 400; seq += 7) {
      const content = JSON.stringify(seq % 2 === 0 ? "milk with an ostrich" : "tea");
      database.prepare("UPDATE messages SET content = ? WHERE seq = ?").run(content, seq);
      index.update(seq);
      database.prepare("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq = ?").run(seq + 1);
      index.remove([seq + 1]);
      if (seq % 50 === 1) ask(index);
    }
    expect(ask(index)).toEqual(ask(buildIndex(database)));
  });
  it("is dropped when very many messages are erased at once, and rebuilt by the next searches", () => {
    const database = loadMessages([...filler(700), turn("a walrus")]);
    const index = buildIndex(database);
    const gone = Array.from({ length: 600 }, (_, i) => i + 1);
    database.exec("UPDATE messages SET content = NULL, erased_at = 1 WHERE seq <= 600");
    index.remove(gone);
    expect(index.indexedThroughSeq).toBe(0);
    while (!index.catchUp().done);
    expect(index.search("walrus", { limit: 1 })[0]?.seq).toBe(701);
  });
  it("reads no value larger than a Durable Object allows, and few at once, whatever the messages are", () => {
    const long = (seed: number): string =>
      `The error in the file of the project build module: ${Array.from({ length: 2_600 }, (_, i) => `w${100_000 + ((i * seed) % 9_991)}`).join(" ")}`;
    const database = loadMessages(Array.from({ length: 160 }, (_, i) => turn(long(i + 1), { role: "assistant" })));
    const storage = nodeStorage(database);
    const index = new SearchIndex(storage);
    while (!index.catchUp().done);
    let longest = 0;
    let most = 0;
    const { exec } = storage.sql;
    const watched = new SearchIndex({
      ...storage,
      sql: {
        get databaseSize() {
          return storage.sql.databaseSize;
        },
        exec<T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) {
          const rows = exec<T>(query, ...bindings).toArray();
          const sizes = rows.flatMap((row) => Object.values(row)).map((value) => Buffer.byteLength(String(value)));
          longest = Math.max(longest, ...sizes);
          most = Math.max(
            most,
            sizes.reduce((sum, size) => sum + size, 0),
          );
          return { toArray: () => rows };
        },
      },
    });
    const found = watched.search("What was the error in the project file of the build module?", { limit: 100 });
    expect(found).toHaveLength(100);
    expect(longest).toBeLessThan(1_000_000);
    expect(most).toBeLessThan(160 * 20_000);
    expect(longest).toBeGreaterThan(100_000);
  });
  it("is rebuilt if another version of the analysis made it, and keeps nothing of that version", () => {
    const database = loadMessages([turn("a walrus"), ...filler(3)]);
    buildIndex(database);
    database.exec("UPDATE search_state SET version = version - 1");
    const index = new SearchIndex(nodeStorage(database));
    expect(index.catchUp()).toEqual({ indexedThroughSeq: 4, done: true });
    expect(index.search("walrus", { limit: 1 })[0]?.seq).toBe(1);
  });
  it("is complete when it is opened again from the file", () => {
    const file = path.join(directory, "reopen.db");
    const first = loadMessages([turn("a walrus"), ...filler(3)], file);
    buildIndex(first);
    first.close();
    const index = new SearchIndex(nodeStorage(new DatabaseSync(file)));
    expect(index.indexedThroughSeq).toBe(4);
    expect(index.search("walrus", { limit: 1 })[0]?.seq).toBe(1);
  });
});

describe("a snippet", () => {
  const long = `${"Before it came much of no matter. ".repeat(20)}The walrus slept on the ice. ${"After it came more. ".repeat(30)}`;
  it("shows where the terms are, cut between words", () => {
    const text = snippet(long, readQuery("sleeping walruses"), 80);
    expect(text).toContain("walrus slept");
    expect(text).toMatch(/^….*…$/u);
    expect(text.length).toBeLessThanOrEqual(80);
  });
  it("is the whole text if that fits, and its beginning if it contains no term", () => {
    expect(snippet("a  short\ntext", readQuery("x"), 80)).toBe("a short text");
    expect(snippet(long, readQuery("zebra"), 40)).toMatch(/^Before it came.*…$/u);
  });
  it("shows the end of a long log if the beginning contains nothing of interest", () => {
    const lines = Array.from({ length: 4_000 }, (_, at) => `tests/unit/file_${at}.ts passed in ${at % 97} ms`);
    const log = [...lines, "FAIL src/log/append.ts:42: expected 3 to be 4", ...lines.slice(0, 500)].join("\n");
    expect(snippet(log, readQuery("why does append.ts fail"), 120)).toMatch(/^….*src\/log\/append\.ts:42.*…$/u);
    expect(snippet(log, readQuery("file_7 passed"), 120)).toContain("file_7.ts passed");
    expect(snippet(log, readQuery("zebra"), 60)).toMatch(/^tests\/unit\/file_0\.ts passed.*…$/u);
  });
  it("respects any length, in any script, and never cuts a character", () => {
    const texts = [
      long,
      "我喜欢黑猫。".repeat(60),
      "🎉🎈".repeat(100),
      "สวัสดีครับ ".repeat(40),
      `${"x".repeat(500)} walrus`,
    ];
    for (const text of texts) {
      for (const maxLength of [0, 1, 2, 3, 10, 41, 100]) {
        const cut = snippet(text, readQuery("walrus 黑猫 สวัสดี"), maxLength);
        expect(cut.length).toBeLessThanOrEqual(maxLength);
        expect(cut.isWellFormed()).toBe(true);
      }
    }
    expect(snippet(`${"啊".repeat(300)}黑猫${"啊".repeat(300)}`, readQuery("黑猫"), 30)).toContain("黑猫");
  });
});
