import type { Seq } from "../../api/message.ts";

/** Seqs for which room is made at once. */
const GROWTH = 1_024;

/** Seqs without words that are passed over in looking for the answer to a turn: tool calls, and what was erased. */
const MAX_PASSED_OVER = 20;

/** Messages of one kind, as numbers. */
export interface GroupStatistics {
  /** Messages with words. */
  readonly messages: number;
  /** Terms of a message with words, on average. */
  readonly meanLength: number;
}

/** The messages that a query is asked of. */
export interface LogStatistics {
  readonly all: GroupStatistics;
  readonly user: GroupStatistics;
  readonly answers: GroupStatistics;
}

/**
 * How long each message of a session is, in terms, and who says it: 0 without words, negative where it is no user's. In memory,
 * because ranking needs both of every match and the mean of all; 4 bytes a message.
 */
export class MessageLengths {
  #lengths = new Int32Array(GROWTH);
  /** What was counted last: most queries ask of the same messages as the one before. */
  #counted: { readonly throughSeq: Seq; readonly statistics: LogStatistics } | null = null;

  set(seq: Seq, length: number): void {
    this.#counted = null;
    if (seq >= this.#lengths.length) {
      const grown = new Int32Array(Math.max(seq + GROWTH, Math.ceil(this.#lengths.length * 1.5)));
      grown.set(this.#lengths);
      this.#lengths = grown;
    }
    this.#lengths[seq] = length;
  }

  of(seq: Seq): number {
    return Math.abs(this.#lengths[seq] ?? 0);
  }

  /** 1 where a user says it, -1 where somebody else does, 0 where there are no words. */
  sideOf(seq: Seq): number {
    return Math.sign(this.#lengths[seq] ?? 0);
  }

  /** Whether the next message with words, of those through a seq, is no user's. */
  isAnswered(seq: Seq, throughSeq: Seq): boolean {
    const last = Math.min(throughSeq, seq + MAX_PASSED_OVER);
    for (let next = seq + 1; next <= last; next++) {
      const side = this.sideOf(next);
      if (side !== 0) return side < 0;
    }
    return false;
  }

  /** Of the messages through a seq. Linear if it is another seq than the last time: 0.4 ms for 100,000. */
  statistics(throughSeq: Seq): LogStatistics {
    if (this.#counted?.throughSeq !== throughSeq) this.#counted = { throughSeq, statistics: this.#count(throughSeq) };
    return this.#counted.statistics;
  }

  /** `count` lengths from a seq on. */
  slice(fromSeq: Seq, count: number): number[] {
    return Array.from({ length: count }, (_, i) => this.#lengths[fromSeq + i] ?? 0);
  }

  #count(throughSeq: Seq): LogStatistics {
    let userMessages = 0;
    let userTerms = 0;
    let answers = 0;
    let answerTerms = 0;
    const end = Math.min(throughSeq + 1, this.#lengths.length);
    for (let seq = 1; seq < end; seq++) {
      const length = this.#lengths[seq]!;
      if (length > 0) {
        userMessages++;
        userTerms += length;
      } else if (length < 0) {
        answers++;
        answerTerms -= length;
      }
    }
    return {
      all: group(userMessages + answers, userTerms + answerTerms),
      user: group(userMessages, userTerms),
      answers: group(answers, answerTerms),
    };
  }
}

function group(messages: number, terms: number): GroupStatistics {
  return { messages, meanLength: messages === 0 ? 0 : terms / messages };
}
