import type { Item } from "../../src/api/summary.ts";
import { KeptWords } from "../../src/prompt/lost-words.ts";

/**
 * How well the report of lost facts finds them: facts are planted in a user's messages, and a summary keeps one half of them, in other
 * words as a model would, and drops the other half. All texts were written for this measurement.
 */

const PLANTED_FACTS = 200;

/** What a user says, and how a summary puts it. In each fact `#` becomes a number and `@` a name of its own. */
const FACTS: readonly (readonly [said: string, kept: string])[] = [
  ["So, the rent went up again, it is # euros a month from now.", "Rent: # euros a month."],
  ["My sister @ visits in spring, I have to clean the flat.", "The user's sister @ visits in spring."],
  ["The parcel has the number # and should be here by noon.", "Parcel # is expected."],
  ["I work with @ on the harbour project, and it goes well.", "Works with @ on the harbour project."],
  ["We talked about the budget, and settled on # for the kitchen.", "Kitchen budget settled at #."],
  ["Our dog is called @ and hates thunder.", "Has a dog, @, afraid of thunder."],
  ["The meeting moved to room # on the third floor.", "The meeting is in room #."],
  ["I grew up near @ before we moved away.", "Grew up near @."],
  ["Please always write to @ in the first line of a mail.", "Always begins mails with @."],
  ["From now on use the code # when you book for me.", "Bookings use the code # from now on."],
];

/** Messages between them that contain nothing to report. */
const TALK = [
  "Thanks, that helps a lot!",
  "Hm, I am not sure about that, can you explain it again?",
  "Okay, let us go on with the next part.",
  "That sounds good to me, what would you do in my place?",
  "I tried it with 2 of them and it did not work.",
];

const SYLLABLES = "ba do ri lu ma ne ko ti sa ve no ra".split(" ");

export interface LossMeasure {
  readonly facts: number;
  readonly dropped: number;
  readonly precision: number;
  readonly recall: number;
}

export function measureLosses(facts = PLANTED_FACTS): LossMeasure {
  const items: Item[] = [];
  const messages: { readonly text: string; readonly isDropped: boolean }[] = [];
  for (let at = 0; at < facts; at += 1) {
    const [said, kept] = FACTS[at % FACTS.length] ?? ["", ""];
    const fill = (text: string): string => text.replace("#", numberOf(at)).replace("@", nameOf(at));
    // Every other fact of each kind is kept, beginning with another kind each time.
    const isDropped = (at + Math.floor(at / FACTS.length)) % 2 === 0;
    messages.push({ text: fill(said), isDropped }, { text: TALK[at % TALK.length] ?? "", isDropped: false });
    if (!isDropped)
      items.push({ id: `${at}`, kind: "fact", text: fill(kept), sourceSeqs: [at + 1], status: "current" });
  }
  const words = new KeptWords(items);
  const told = messages.map(({ text, isDropped }) => ({ isDropped, isTold: words.lostOf(text).length > 0 }));
  const count = (test: (one: (typeof told)[number]) => boolean): number => told.filter(test).length;
  const right = count(({ isDropped, isTold }) => isDropped && isTold);
  const dropped = count(({ isDropped }) => isDropped);
  return {
    facts,
    dropped,
    precision:
      right /
      Math.max(
        1,
        count(({ isTold }) => isTold),
      ),
    recall: right / Math.max(1, dropped),
  };
}

/** Each number occurs once; some have thousands separators. */
function numberOf(at: number): string {
  const number = 1_037 + at * 43;
  return at % 3 === 0 ? number.toLocaleString("en-GB") : String(number);
}

/** Each name occurs once. */
function nameOf(at: number): string {
  const [first, second, third] = [at % 12, Math.floor(at / 12) % 12, (at * 7) % 12].map(
    (index) => SYLLABLES[index] ?? "",
  );
  const name = `${first ?? ""}${second ?? ""}${third ?? ""}`;
  return name.charAt(0).toUpperCase() + name.slice(1);
}
