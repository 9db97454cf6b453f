import { describe, expect, it } from "vitest";
import { mergeItems } from "../../src/memory/items.ts";
import { relativeWords, withDay } from "../../src/memory/relative-days.ts";

describe("words that name a day by another", () => {
  it.each([
    ["The dentist is tomorrow at 9", "tomorrow"],
    ["Ada moved to Braga last week.", "last week"],
    ["wir sehen uns nächsten Montag", "Montag"],
    ["Die Miete ist nächsten Monat fällig", "nächsten Monat"],
    ["Abfahrt übermorgen um 7", "übermorgen"],
    ["La cita es mañana", "mañana"],
    ["La reunión es la semana que viene", "semana que viene"],
    ["La réunion est demain", "demain"],
    ["Ada est partie hier soir", "hier soir"],
    ["Rendez-vous le mois prochain", "mois prochain"],
    ["A reunião é amanhã", "amanhã"],
    ["Ci vediamo domani", "domani"],
    ["She left two weeks ago", "two weeks ago"],
    ["Der Vertrag endet in drei Wochen", "in drei Wochen"],
    ["El contrato empezó hace 3 días", "hace 3 días"],
    ["La cita es man\u0303ana", "mañana"],
  ])("are found: %s", (text, words) => {
    expect(relativeWords(text)).toBe(words);
  });

  it.each([
    "Ada lives in Braga",
    "It costs 20 euros",
    "tomorrowland",
    "Hans Morgenstern sails",
    "the last berth",
    "hierarchy",
    "Das Hotel ist hier in Baixa",
  ])("are not found: %s", (text) => {
    expect(relativeWords(text)).toBeNull();
  });

  it("carry the day on which they were said, once", () => {
    const said = withDay("The dentist is tomorrow", () => "2026-03-02");
    expect(said).toBe("The dentist is tomorrow (said 2026-03-02)");
    expect(withDay(said, () => "2026-09-20")).toBe(said);
    expect(withDay("Due tomorrow, 3 March 2026", () => "2026-03-02")).toBe("Due tomorrow, 3 March 2026");
    expect(withDay("Due tomorrow", () => null)).toBe("Due tomorrow");
  });
});

describe("an item", () => {
  const texts = new Map([
    [1, "user 2026-03-02 2 March 2026 the dentist is tomorrow"],
    [2, "assistant 2026-03-05 5 March 2026 the dentist costs 40 euros"],
  ]);
  const days = new Map([
    [1, "2026-03-02"],
    [2, "2026-03-05"],
  ]);
  const merged = (text: string) =>
    mergeItems(
      [],
      [{ kind: "fact", text, sourceSeqs: [1, 2], status: "current" }],
      (seq) => texts.get(seq) ?? null,
      1_000,
      () => "1.1",
      (seq) => days.get(seq) ?? null,
    ).items[0]?.text;

  it("that speaks of a day by another carries the day of the message that said so", () => {
    expect(merged("the dentist is tomorrow")).toBe("the dentist is tomorrow (said 2026-03-02)");
    expect(merged("the dentist costs 40 euros")).toBe("the dentist costs 40 euros");
  });

  it("keeps that day when it is given back as it is", () => {
    const text = "the dentist is tomorrow (said 2026-03-02)";
    expect(merged(text)).toBe(text);
  });
});
