// The text of the benchmark's sessions: for the same seed the same turns, of about 280 bytes each, made of sentences that a
// summarizer can pick. None of it is real people's data.
import { createRandom } from "../../simulation/random.ts";

const TURN_LENGTH = 250;

const PEOPLE = ["Nadia", "Tomasz", "Ingrid", "Kofi", "Mei", "Rafael", "Leila", "Jonas"];
const PLACES = ["Oslo", "Lisbon", "Kyoto", "Accra", "Toronto", "Graz", "Hobart", "Cusco"];
const THINGS = ["invoice", "contract", "router", "garden plan", "tax form", "recipe", "train ticket", "dashboard"];
const STATES = [
  "overdue",
  "ready for review",
  "still missing a signature",
  "broken since the update",
  "finally approved",
];
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"];

export interface Turn {
  readonly role: "user" | "assistant";
  readonly content: string;
}

/** Returns turns one by one, alternating between user and assistant. */
export function createTalk(seed: number): () => Turn {
  const random = createRandom(seed);
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? "";
  const number = (below: number): number => 1 + Math.floor(random() * below);
  const sentences = [
    () => `${pick(PEOPLE)} told me that the ${pick(THINGS)} for ${pick(PLACES)} is ${pick(STATES)}.`,
    () => `Please remember that ${pick(PEOPLE)} prefers ${pick(PLACES)} over ${pick(PLACES)} in week ${number(52)}.`,
    () => `We decided to move the ${pick(THINGS)} to ${pick(DAYS)} at ${number(12)} o'clock.`,
    () => `Could you check whether the ${pick(THINGS)} costs less than ${number(900)} euros?`,
    () => `I will send the ${pick(THINGS)} number ${number(9_999)} to ${pick(PEOPLE)} before ${pick(DAYS)}.`,
    () => `In ${pick(PLACES)} the ${pick(THINGS)} took ${number(40)} minutes, which nobody had expected.`,
  ];
  let isUser = false;
  return () => {
    isUser = !isUser;
    let content = "";
    while (content.length < TURN_LENGTH) {
      const sentence = sentences[Math.floor(random() * sentences.length)]?.() ?? "";
      content = content === "" ? sentence : `${content} ${sentence}`;
    }
    return { role: isUser ? "user" : "assistant", content };
  };
}

/** A question about an earlier turn. */
export function createQuestions(seed: number): () => string {
  const random = createRandom(seed);
  const pick = (words: readonly string[]): string => words[Math.floor(random() * words.length)] ?? "";
  return () => `What did ${pick(PEOPLE)} say about the ${pick(THINGS)} for ${pick(PLACES)}?`;
}
