import { attributeParts } from "./attribution.ts";
import type { AssistantTurn, Turn, UserTurn } from "./turns.ts";

/** How far turns are put together: see `roles` of a context's request. */
export type Roles = "as-said" | "merged" | "strict";

/** Stands where a turn has to be, and nobody said anything. */
export const NOTHING_SAID = "[…]";

/** Turns as a server's chat template takes them. */
export function arrangeTurns(turns: readonly Turn[], roles: Roles): Turn[] {
  if (roles === "as-said") return [...turns];
  return roles === "merged" ? mergeTurns(turns) : alternate(mergeTurns(systemFirst(turns)));
}

/** Neighbours of one role become one turn. An answer with calls ends where their results stand. */
function mergeTurns(turns: readonly Turn[]): Turn[] {
  const merged: Turn[] = [];
  for (const turn of turns) {
    const last = merged.at(-1);
    const joined = last === undefined ? null : join(last, turn);
    if (joined === null) merged.push(turn);
    else merged[merged.length - 1] = joined;
  }
  return merged;
}

function join(last: Turn, turn: Turn): Turn | null {
  if (last.role === "user" && turn.role === "user") return joinUsers(last, turn);
  if (last.role === "assistant" && turn.role === "assistant" && last.calls.length === 0) {
    return joinAssistants(last, turn);
  }
  return null;
}

function joinUsers(last: UserTurn, turn: UserTurn): UserTurn {
  const isOne = last.author === turn.author;
  return {
    role: "user",
    seq: turn.seq,
    author: isOne ? last.author : undefined,
    parts: isOne
      ? [...last.parts, ...turn.parts]
      : [...attributeParts(last.author, last.parts), ...attributeParts(turn.author, turn.parts)],
  };
}

function joinAssistants(last: AssistantTurn, turn: AssistantTurn): AssistantTurn {
  const isOne = last.author === turn.author || turn.author === undefined;
  return {
    role: "assistant",
    seq: turn.seq,
    author: isOne ? last.author : undefined,
    parts: isOne
      ? [...last.parts, ...turn.parts]
      : [...attributeParts(last.author, last.parts), ...attributeParts(turn.author, turn.parts)],
    calls: turn.calls,
  };
}

/** One system text before all else, in the order in which its parts were said. */
function systemFirst(turns: readonly Turn[]): Turn[] {
  const texts: string[] = [];
  const others: Turn[] = [];
  let seq = 0;
  for (const turn of turns) {
    if (turn.role !== "system" && turn.role !== "developer") {
      others.push(turn);
      continue;
    }
    texts.push(turn.author === undefined ? turn.text : `${turn.author}: ${turn.text}`);
    seq = turn.seq;
  }
  if (texts.length === 0) return others;
  return [{ role: "system", author: undefined, seq, text: texts.join("\n\n") }, ...others];
}

/** A user's turn first, and an answer's between the results of tools and a user. */
function alternate(turns: readonly Turn[]): Turn[] {
  return turns.flatMap((turn, index): Turn[] => {
    const before = turns[index - 1];
    const isFirst = before === undefined || before.role === "system";
    const noted = { seq: turn.seq, author: undefined, parts: [{ type: "text", text: NOTHING_SAID }] } as const;
    if (turn.role === "assistant" && isFirst) return [{ role: "user", ...noted }, turn];
    if (turn.role === "user" && before?.role === "assistant" && before.calls.length > 0) {
      return [{ role: "assistant", ...noted, calls: [] }, turn];
    }
    return [turn];
  });
}
