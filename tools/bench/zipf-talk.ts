// Turns and queries of made-up words that are as common and as rare as those of a language. The most common words of a query
// decide how slow a search is.
import { createRandom } from "../../simulation/random.ts";
import type { Turn } from "./talk.ts";

const VOCABULARY = 30_000;
const WORDS_PER_TURN = { from: 10, to: 39 } as const;
const WORDS_PER_QUERY = 8;
/** One query in this many names a month, which matches every message of the session. */
const QUERIES_PER_DATE = 10;

/** Draws words by Zipf's law: the k-th most common word with a probability proportional to 1/k. */
function createWords(seed: number): () => string {
  const random = createRandom(seed);
  return () => `w${Math.floor(Math.exp(random() * Math.log(VOCABULARY)))}`;
}

/** Returns turns one by one, in turn by each of these roles. */
export function createZipfTalk(seed: number, roles: readonly Turn["role"][] = ["user", "assistant"]): () => Turn {
  const word = createWords(seed);
  const { from, to } = WORDS_PER_TURN;
  let count = 0;
  return () => {
    const length = from + ((count * 7) % (to - from + 1));
    const role = roles[count % roles.length] ?? "user";
    count += 1;
    return { role, content: Array.from({ length }, word).join(" ") };
  };
}

/** Returns queries one by one. Most of their words are common; some queries name this month, and so match every message. */
export function createZipfQueries(seed: number, now: Date = new Date()): () => string {
  const word = createWords(seed);
  const month = now.toLocaleString("en", { month: "long", year: "numeric", timeZone: "UTC" });
  let count = 0;
  return () => {
    const words = Array.from({ length: WORDS_PER_QUERY }, word).join(" ");
    count += 1;
    return count % QUERIES_PER_DATE === 1 ? `${words} in ${month}` : words;
  };
}
