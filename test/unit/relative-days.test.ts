import { describe, expect, it } from "vitest";
import { mergeItems } from "../../src/prompt/items.ts";
import { relativeWords, withDay } from "../../src/prompt/relative-days.ts";

describe("words that name a day relative to another", () => {
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
    ["The call is in two hours", "in two hours"],
    ["They met half an hour ago", "half an hour ago"],
    ["The boat is back in a few days", "in a few days"],
    ["Ada sails a couple of weeks from now", "a couple of weeks from now"],
    ["The fee is due by the end of the month", "end of the month"],
    ["Wir telefonieren in zwei Stunden", "in zwei Stunden"],
    ["Nos vemos en 2 horas", "en 2 horas"],
    ["On se voit dans deux heures", "dans deux heures"],
    ["Ci vediamo tra due ore", "tra due ore"],
    ["Je suis allé au marché hier", "hier"],
    ["A reunião é na sexta", "na sexta"],
    ["我明天去看牙医", "明天"],
    ["3天后出发", "3天后"],
    ["来週の会議は10時です", "来週"],
    ["会議は月曜日です", "月曜"],
    ["Ada moved in 2019, and the dentist is tomorrow", "tomorrow"],
    ["It costs 2000 euros, due next Friday", "Friday"],
    ["On 3 March 2026 Ada moved to Braga, and the ferry leaves tomorrow", "tomorrow"],
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
    "Guten Morgen zusammen",
    "The dog sat in the sun",
    "今日はいい天気ですね",
    "The ferry leaves on Friday, the 6th of March 2026",
    "La cita es mañana, 3 de marzo de 2026",
    "会議は明日、2026年3月3日です",
  ])("are not found: %s", (text) => {
    expect(relativeWords(text)).toBeNull();
  });

  it("get the day on which they were said, once", () => {
    const said = withDay("The dentist is tomorrow", () => "2026-03-02");
    expect(said).toBe("The dentist is tomorrow (said 2026-03-02)");
    expect(withDay(said, () => "2026-09-20")).toBe(said);
    expect(withDay("Due tomorrow, 3 March 2026", () => "2026-03-02")).toBe("Due tomorrow, 3 March 2026");
    expect(withDay("Due tomorrow", () => null)).toBe("Due tomorrow");
    const [ferry, fee] = ["The ferry leaves tomorrow", ", the fee was paid yesterday"];
    const days = (words: string): string => (words === "tomorrow" ? "2026-03-02" : "2026-03-09");
    expect(withDay(`${ferry}${fee}`, () => "2026-03-02")).toBe(`${ferry}${fee} (said 2026-03-02)`);
    expect(withDay(`${ferry}${fee}`, days)).toBe(`${ferry} (said 2026-03-02)${fee} (said 2026-03-09)`);
  });
});

describe("an item", () => {
  const texts = new Map([
    [1, "user 2026-03-02 2 March 2026 the dentist is tomorrow"],
    [2, "assistant 2026-03-05 5 March 2026 the dentist costs 40 euros, and the ferry leaves tomorrow"],
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

  it("that names a relative day gets the day of the message that it cites", () => {
    expect(merged("the dentist is tomorrow")).toBe("the dentist is tomorrow (said 2026-03-02)");
    expect(merged("the ferry leaves tomorrow")).toBe("the ferry leaves tomorrow (said 2026-03-05)");
    expect(merged("the dentist costs 40 euros")).toBe("the dentist costs 40 euros");
  });

  it("keeps that day when a summarizer returns it unchanged", () => {
    const text = "the dentist is tomorrow (said 2026-03-02)";
    expect(merged(text)).toBe(text);
  });
});
