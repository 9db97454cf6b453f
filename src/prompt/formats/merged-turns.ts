import { attributeParts } from "./attribution.ts";
import type { AssistantTurn, Turn, UserTurn } from "./turns.ts";

/** How turns are merged: see `roles` in the request of a context. */
export type Roles = "as-said" | "merged" | "strict";

/** Text of a turn that is added only because the format requires one there. */
export const NOTHING_SAID = "[…]";

/** Arranges turns as the chat template of a model server requires. */
export function arrangeTurns(turns: readonly Turn[], roles: Roles): Turn[] {
  if (roles === "as-said") return [...turns];
  return roles === "merged" ? mergeTurns(turns) : alternate(mergeTurns(systemFirst(turns)));
}

/**
 * Merges adjacent turns of one role. An assistant turn with calls is not merged with the next one, because the results
 * of its calls come between them.
 */
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

/** Moves all system and developer texts into one system turn at the beginning, in their order. */
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

/** Adds a user turn before a leading assistant turn, and an assistant turn between tool results and a user turn. */
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
