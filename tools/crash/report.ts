// Prints the results of the kills as a table.
import { showTable } from "../../scripts/program/table.ts";
import type { KillResult } from "./kill.ts";
import { VICTIMS } from "./options.ts";
import type { CrashReport } from "./run-crash.ts";

export function describeKill({ victim, afterMs, messages, unanswered }: KillResult): string {
  return `${victim} after ${afterMs} ms: ${messages} messages kept, ${unanswered} requests sent again`;
}

export function showReport({ kills, options, summaries, fault, leftIn, seconds }: CrashReport): string {
  const sum = (ofKills: readonly KillResult[], name: "messages" | "acknowledged" | "unanswered"): string =>
    ofKills.reduce((total, kill) => total + kill[name], 0).toLocaleString("en");
  const rows = VICTIMS.map((victim) => kills.filter((kill) => kill.victim === victim))
    .filter((ofVictim) => ofVictim.length > 0)
    .map((ofVictim) => [
      ofVictim[0]?.victim ?? "",
      String(ofVictim.length),
      sum(ofVictim, "acknowledged"),
      sum(ofVictim, "messages"),
      sum(ofVictim, "unanswered"),
    ]);
  return [
    ...showTable(["killed", "times", "messages acknowledged", "found", "requests sent again"], rows),
    "",
    `${kills.length} of ${options.kills} kills in ${seconds} s, seed ${options.seed}`,
    fault === null
      ? `held: nothing lost, nothing stored twice, no gap; ${summaries ?? 0} versions of summaries in PostgreSQL, none pending, none paid twice`
      : `BROKEN: ${fault}\nThe service's data is in ${leftIn}. Run it again:  npm run crash -- --kills ${options.kills} --seed ${options.seed}${ofVictims(options.victims)} --chats ${options.chats} --within ${options.withinMs}`,
  ].join("\n");
}

function ofVictims(victims: readonly string[]): string {
  return victims.map((victim) => ` --of ${victim}`).join("");
}
