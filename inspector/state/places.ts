/** How each message reaches the model: verbatim, retrieved, in the summary, or not at all, and why. */

import type { Context } from "../../src/api/context.ts";

export type Place = "recent" | "retrieved" | "pinned" | "summarized" | "omitted" | "branch" | "later";

export interface PlaceText {
  /** Shown on the message. */
  readonly label: string;
  /** Shown in the legend. */
  readonly meaning: string;
}

/** In the order of the legend: from what the model gets in full to what it does not get. */
export const PLACES: Readonly<Record<Exclude<Place, "later">, PlaceText>> = {
  recent: { label: "recent", meaning: "Recent: the model gets it verbatim" },
  retrieved: {
    label: "brought back",
    meaning: "An older message that is relevant to the question: the model gets it verbatim",
  },
  pinned: { label: "always kept", meaning: "Pinned, or an instruction: verbatim in every context" },
  summarized: { label: "in the summary", meaning: "The model gets what the summary says about it" },
  omitted: { label: "left out", meaning: "The model gets nothing of it" },
  branch: {
    label: "other branch",
    meaning: "Not part of the current course of the chat: an earlier wording or answer",
  },
};

export const OMITTED_BECAUSE: Readonly<Record<string, string>> = {
  budget: "no room in the budget",
  hidden: "erased, or waiting for a new summary",
  pending: "no room; a summary of it is on its way",
  branch: "on another branch",
};

export interface Standing {
  readonly place: Place;
  /** Why it is omitted, or why it was retrieved. */
  readonly why?: string;
  /** Not all of it fits. */
  readonly isCut?: boolean;
}

const INSTRUCTIONS = new Set(["system", "developer"]);

/** Returns a function that finds the place of a message in a context by its `seq`. */
export function placesIn(context: Context): (seq: number) => Standing {
  const known = new Map<number, Standing>();
  for (const { message, why } of context.retrieved) known.set(message.seq, { place: "retrieved", why });
  for (const message of context.messages) {
    const isKept = message.pinned === true || INSTRUCTIONS.has(message.role);
    known.set(message.seq, { place: isKept ? "pinned" : "recent", isCut: message.cut === true });
  }
  const through = context.summary?.throughSeq ?? 0;
  return (seq) => {
    const found = known.get(seq);
    if (found !== undefined) return found;
    if (seq > context.atSeq && context.atSeq < context.headSeq) return { place: "later" };
    const range = context.omitted.find(({ fromSeq, throughSeq }) => seq >= fromSeq && seq <= throughSeq);
    if (range?.reason === "branch") return { place: "branch" };
    if (range !== undefined) return { place: "omitted", why: OMITTED_BECAUSE[range.reason] ?? range.reason };
    return { place: seq <= through ? "summarized" : "omitted" };
  };
}

/** Counts the messages at each place, and finds the first of each, without visiting every message. */
export function countPlaces(context: Context): Map<Place, { count: number; first: number }> {
  const counts = new Map<Place, { count: number; first: number }>();
  const placeOf = placesIn(context);
  for (let seq = 1; seq <= Math.max(context.headSeq, context.atSeq); seq += 1) {
    const { place } = placeOf(seq);
    const found = counts.get(place);
    if (found === undefined) counts.set(place, { count: 1, first: seq });
    else found.count += 1;
  }
  return counts;
}
