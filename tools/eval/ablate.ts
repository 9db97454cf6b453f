import { showTable } from "../../scripts/program/table.ts";
// What each parameter of the ranking contributes: recall with all of them, and with each one switched off. It searches the index in this
// process, which is the same code that the service runs, so a hundred questions take seconds.
import { DEFAULT_RANKING, type RankingParameters } from "../../src/prompt/retrieval/parameters.ts";
import { askAll, type Conversation, type NearIn, recallOf, threadkeepOffline } from "./retrieval.ts";

/** The value of each parameter that switches it off. */
const WITHOUT: Readonly<Record<keyof RankingParameters, Partial<RankingParameters>>> = {
  lendForward: { lendForward: [] },
  lendBack: { lendBack: [] },
  lendAcross: { lendAcross: 1 },
  lendAlone: { lendAlone: 1 },
  rolesApart: { rolesApart: false },
  apartFrom: { apartFrom: 0 },
  longAnswer: { longAnswer: 0 },
  longAnswerWeight: { longAnswerWeight: 1 },
  questionDiscount: { questionDiscount: 0 },
  aboutChat: { aboutChat: 1 },
  askedOfAnswers: { askedOfAnswers: 1 },
  code: { code: 1 },
  part: { part: 0 },
  itemWord: { itemWord: 0 },
  wish: { wish: 1 },
  meaning: { meaning: 0 },
  lendMeaning: { lendMeaning: 0 },
  namedAuthor: { namedAuthor: 1 },
  date: { date: { day: 0, month: 0, year: 0 } },
};

/** Other values of the weight of meaning. */
const MEANINGS = [0.1, 0.2, 0.4] as const;

/**
 * @param files the conversations, by the name of their data set
 * @param nearIn finds turns by their vectors; null: without meaning, so that its parameter changes nothing
 */
export async function ablate(
  files: ReadonlyMap<string, readonly Conversation[]>,
  nearIn: NearIn | null,
  print: (line: string) => void,
): Promise<void> {
  const settings: readonly (readonly [string, RankingParameters])[] = [
    ["all parameters", DEFAULT_RANKING],
    ...Object.entries(WITHOUT).map(([name, change]) => [`without ${name}`, { ...DEFAULT_RANKING, ...change }] as const),
    ...(nearIn === null ? [] : MEANINGS).map(
      (meaning) => [`meaning ${meaning}`, { ...DEFAULT_RANKING, meaning }] as const,
    ),
  ];
  const rows: string[][] = [];
  for (const [name, ranking] of settings) {
    const row = [name];
    for (const conversations of files.values()) {
      const answers = await askAll(threadkeepOffline(name, ranking, nearIn ?? undefined), conversations);
      row.push(recallOf(answers.filter(({ counts }) => counts)));
    }
    rows.push(row);
  }
  print("Share of the evidence among the first 5 / 10 / 20 retrieved messages, in percent");
  for (const line of showTable(["", ...files.keys()], rows)) print(line);
}
