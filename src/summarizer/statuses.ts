/**
 * Finds out what later messages say about earlier items: that a task is done, a question is dealt with, somebody has
 * moved. Only English, and only if the words leave little doubt: a wrong status hides a valid item, a missing one costs
 * a line.
 */
import { MAX_SOURCES_PER_ITEM } from "../api/limits.ts";
import type { ProposedItem, TranscriptMessage } from "../api/summarizer.ts";
import type { Item } from "../api/summary.ts";
import { statementsOf } from "./sentences.ts";
import { type Term, termsOf } from "./terms.ts";

const COMPLETED =
  /\b(?:done|finished|completed|sent|booked|paid|submitted|fixed|shipped|delivered|signed|bought|ordered|cancell?ed|renewed|uploaded|deployed|merged|called|took care of|taken care of)\b/i;
/** Words that show that something is not done, or not yet. */
const NOT_DONE =
  /\b(?:not|never|yet|will|would|should|could|can|going to|gonna|need(?:s|ed)? to|ha(?:ve|s) to|must|want(?:s|ed)? to|if|when|once|until|before|after|almost|nearly|half|soon|please|let's|forgot|to be)\b|n't\b|'ll\b/i;
/** Share of a task's terms that a statement must contain to be about it. */
const SAME_TASK_SHARE = 0.6;
const MIN_SHARED_TERMS = 2;

const LIVES = /\bI(?:'m| am)? (?:live|living|based|staying) in (\p{Lu}[\p{L}\p{M}'-]+)/u;
const MOVED =
  /\bI(?:'ve| have)? (?:just |recently |finally )?(?:moved|relocated) (?:from \p{Lu}[\p{L}\p{M}'-]+ )?to (\p{Lu}[\p{L}\p{M}'-]+)/u;

/** A statement that may change the status of earlier items. */
interface Sign {
  readonly message: TranscriptMessage;
  readonly terms: ReadonlySet<string>;
  readonly isCompletion: boolean;
  /** Where its speaker lives from now on. */
  readonly home: string | null;
}

function straight(text: string): string {
  return text.replaceAll("’", "'");
}

function homeIn(text: string): string | null {
  const plain = straight(text);
  return (LIVES.exec(plain) ?? MOVED.exec(plain))?.[1] ?? null;
}

function signsOf(message: TranscriptMessage): Sign[] {
  return statementsOf(message.text).flatMap(({ text, isQuestion }) => {
    const plain = straight(text);
    const isCompletion = !isQuestion && COMPLETED.test(plain) && !NOT_DONE.test(plain);
    const home = isQuestion || NOT_DONE.test(plain) ? null : homeIn(plain);
    if (!isCompletion && home === null) return [];
    return [{ message, terms: new Set(termsOf(text).map(({ key }) => key)), isCompletion, home }];
  });
}

/** An item begins with its speaker's name, unless it would not be supported with it. */
function isBy(item: ProposedItem, { author }: TranscriptMessage): boolean {
  return author !== undefined && item.text.startsWith(`${author}: `);
}

function tells(sign: Sign, task: readonly Term[]): boolean {
  let all = 0;
  let shared = 0;
  let count = 0;
  for (const { key, weight } of task) {
    all += weight;
    if (!sign.terms.has(key)) continue;
    shared += weight;
    count += 1;
  }
  return count >= MIN_SHARED_TERMS && shared >= all * SAME_TASK_SHARE;
}

function withSource<Kind extends ProposedItem | Item>(item: Kind, seq: number, status: Kind["status"]): Kind {
  // The status needs its source: if that message is erased, the status is withdrawn. An item carried over cites another
  // session, so the source cannot be added.
  const isCarried = "sourceSession" in item && item.sourceSession !== undefined;
  const mayCite = !isCarried && item.sourceSeqs.length < MAX_SOURCES_PER_ITEM;
  const sourceSeqs = mayCite ? [...new Set([...item.sourceSeqs, seq])].toSorted((a, b) => a - b) : item.sourceSeqs;
  return { ...item, sourceSeqs, status };
}

function settle<Kind extends ProposedItem | Item>(item: Kind, signs: readonly Sign[], lastSeq: number): Kind {
  if (item.status !== "current") return item;
  const ownSeq = "sourceSession" in item && item.sourceSession !== undefined ? 0 : (item.sourceSeqs.at(-1) ?? 0);
  // If the conversation went on after the question, it has most likely been dealt with.
  if (item.kind === "question") return ownSeq < lastSeq ? { ...item, status: "done" } : item;
  const later = signs.filter(({ message }) => message.seq > ownSeq);
  if (item.kind === "task") {
    const terms = termsOf(item.text.replace(/^[^:]{1,64}: /, ""));
    const done = later.find((sign) => sign.isCompletion && tells(sign, terms));
    return done === undefined ? item : withSource(item, done.message.seq, "done");
  }
  const home = homeIn(item.text);
  const moved =
    home === null
      ? undefined
      : later.find((sign) => sign.home !== null && sign.home !== home && isBy(item, sign.message));
  return moved === undefined ? item : withSource(item, moved.message.seq, "superseded");
}

/** Updates the status of items from the messages after them. */
export function settleStatuses<Kind extends ProposedItem | Item>(
  items: readonly Kind[],
  messages: readonly TranscriptMessage[],
): Kind[] {
  const signs = messages.flatMap(signsOf);
  const lastSeq = messages.findLast(({ text }) => text.trim() !== "")?.seq ?? 0;
  return items.map((item) => settle(item, signs, lastSeq));
}
