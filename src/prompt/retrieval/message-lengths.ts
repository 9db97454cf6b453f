import type { Seq } from "../../api/message.ts";

/** By how many messages the array grows at least. */
const GROWTH = 1_024;

/**
 * How many messages without words are skipped in the search for the answer to a message: tool calls and erased
 * messages.
 */
const MAX_PASSED_OVER = 20;

/** Statistics of one group of messages. */
export interface GroupStatistics {
  /** Number of messages with words. */
  readonly messages: number;
  /** Average number of terms of a message with words. */
  readonly meanLength: number;
}

/** Statistics of the messages that a query searches. */
export interface LogStatistics {
  readonly all: GroupStatistics;
  readonly user: GroupStatistics;
  readonly answers: GroupStatistics;
}

/**
 * The length of each message of a session in terms: 0 without words, negative if it is not a user's. Kept in memory,
 * because ranking needs the length of every match and the average of all; 4 bytes per message.
 */
export class MessageLengths {
  #lengths = new Int32Array(GROWTH);
  /** The last statistics, because most queries search the same messages as the one before. */
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

  /** 1 for a user's message, -1 for anybody else's, 0 for one without words. */
  sideOf(seq: Seq): number {
    return Math.sign(this.#lengths[seq] ?? 0);
  }

  /** Whether the next message with words, up to `throughSeq`, is not a user's. */
  isAnswered(seq: Seq, throughSeq: Seq): boolean {
    const last = Math.min(throughSeq, seq + MAX_PASSED_OVER);
    for (let next = seq + 1; next <= last; next++) {
      const side = this.sideOf(next);
      if (side !== 0) return side < 0;
    }
    return false;
  }

  /**
   * Statistics of the messages up to `throughSeq`. Linear in their number if it differs from the last call: 0.4 ms for
   * 100,000.
   */
  statistics(throughSeq: Seq): LogStatistics {
    if (this.#counted?.throughSeq !== throughSeq) this.#counted = { throughSeq, statistics: this.#count(throughSeq) };
    return this.#counted.statistics;
  }

  /** `count` lengths, beginning with that of `fromSeq`. */
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
