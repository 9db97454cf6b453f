import { describe, expect, it } from "vitest";
import type { TranscriptMessage } from "../../src/api/summarizer.ts";
import type { Item } from "../../src/api/summary.ts";
import { isFirstPerson, kindOf, worthOfItem, worthOfStatement } from "../../src/summarizer/cues.ts";

describe("the kind of a statement", () => {
  it.each([
    ["We decided to take the train", "decision"],
    ["I’m allergic to nuts", "preference"],
    ["Please always answer in Portuguese", "instruction"],
    ["Never use my last name", "instruction"],
    ["From now on be brief", "instruction"],
    ["Reply to me in French", "instruction"],
    // A habit is not a wish.
    ["I never use my last name", "fact"],
    ["They will always answer late", "fact"],
    ["I prefer tea", "preference"],
    ["I have to call the shipyard", "task"],
    ["The crate left yesterday", "event"],
    ["The crate is blue", "fact"],
    // A decision about a preference is a decision: the first sign counts.
    ["We agreed that I prefer tea", "decision"],
  ])("is found: %j is a %s", (text, kind) => {
    expect(kindOf(text, false)).toBe(kind);
    expect(kindOf(text, true)).toBe("question");
  });
});

it('is not "instruction" for a wish of a model or a tool', () => {
  expect(kindOf("Always answer in Portuguese", false, false)).toBe("fact");
});

describe("the kind of a statement in other languages", () => {
  it.each([
    ["Wir haben uns für den Zug entschieden", "decision"],
    ["Ich bin allergisch gegen Nüsse", "preference"],
    ["Ich muss die Werft anrufen", "task"],
    ["Die Kiste ging gestern ab", "event"],
    ["Hemos decidido ir en tren", "decision"],
    ["Prefiero el té", "preference"],
    ["Tengo que llamar al astillero", "task"],
    ["La caja salió ayer", "event"],
    ["Nous avons décidé de prendre le train", "decision"],
    ["Je préfère le thé", "preference"],
    ["Il faut appeler le chantier", "task"],
    ["La caisse est partie hier", "event"],
    ["Decidimos ir de trem", "decision"],
    ["Prefiro chá", "preference"],
    ["Preciso ligar para o estaleiro", "task"],
    ["A caixa saiu ontem", "event"],
    ["我们决定坐火车", "decision"],
    ["我对坚果过敏", "preference"],
    ["别忘了给船厂打电话", "task"],
    ["箱子昨天寄出了", "event"],
    ["電車で行くことに決めました", "decision"],
    ["ナッツのアレルギーがあります", "preference"],
    ["造船所に電話してください", "task"],
    ["箱は昨日出ました", "event"],
    ["Die Kiste ist blau", "fact"],
    ["La caja es azul", "fact"],
    ["箱は青い", "fact"],
  ])("is found: %j is a %s", (text, kind) => {
    expect(kindOf(text, false)).toBe(kind);
  });

  it("includes whether somebody speaks of themselves", () => {
    for (const text of ["Meine Kiste", "Mi caja", "Notre caisse", "Minha caixa", "我的箱子", "私の箱"]) {
      expect(isFirstPerson(text), text).toBe(true);
    }
    expect(isFirstPerson("Die Kiste")).toBe(false);
  });
});

describe("the weight of a statement", () => {
  const by = (role: TranscriptMessage["role"], author?: string): TranscriptMessage => ({
    seq: 1,
    role,
    at: "2026-11-29T10:00:00Z",
    text: "",
    ...(author === undefined ? {} : { author }),
  });
  const worth = (message: TranscriptMessage, text: string, isQuestion = false): number =>
    worthOfStatement(message, { text, isQuestion });

  it("depends on who says it: a user more than an assistant, and that more than a tool or an instruction; with names all voices are equal", () => {
    const text = "The crate is blue";
    expect(worth(by("user"), text)).toBeGreaterThan(worth(by("assistant"), text));
    expect(worth(by("assistant"), text)).toBeGreaterThan(worth(by("tool"), text));
    expect(worth(by("tool"), text)).toBe(worth(by("system"), text));
    expect(worth(by("assistant", "Ann"), text)).toBe(worth(by("user"), text));
    expect(worth(by("tool", "search"), text)).toBe(worth(by("tool"), text));
  });

  it("is lower for a question, and for a statement only about the other person", () => {
    const user = by("user");
    expect(worth(user, "Is the crate blue", true)).toBeLessThan(worth(user, "The crate is blue"));
    expect(worth(user, "You did well")).toBeLessThan(worth(user, "I did well"));
    expect(worth(user, "You and I did well")).toBe(worth(user, "I did well"));
    expect([isFirstPerson("My crate"), isFirstPerson("The crate")]).toEqual([true, false]);
  });

  it("as an item is higher for what stays valid, and lower for what is done", () => {
    const item = (kind: Item["kind"], status: Item["status"] = "current"): number =>
      worthOfItem({ id: "1", kind, status, text: "", sourceSeqs: [1] });
    expect(item("decision")).toBeGreaterThan(item("task"));
    expect(item("task")).toBeGreaterThan(item("fact"));
    expect(item("fact")).toBeGreaterThan(item("question"));
    expect(item("fact")).toBeGreaterThan(item("fact", "done"));
    expect(item("fact", "done")).toBeGreaterThan(item("fact", "superseded"));
    const said = (text: string): number =>
      worthOfItem({ id: "1", kind: "fact", status: "current", text, sourceSeqs: [1] });
    expect(said("User: The crate is blue")).toBeGreaterThan(said("Assistant: The crate is blue"));
  });
});
