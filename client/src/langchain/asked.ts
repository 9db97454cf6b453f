import type { BaseMessage } from "@langchain/core/messages";

/** The messages that a run adds to the history that it was given. */
interface Ask {
  readonly given: number;
  readonly inputs: readonly BaseMessage[];
}

/** How many runs are remembered. A run that fails adds nothing to the history, so its entry would stay forever. */
const MAX_ASKS = 16;

/**
 * Remembers the questions of runs, so that none is lost. A `RunnableWithMessageHistory` without `historyMessagesKey`
 * appends the question to the history that it reads, reads the history again after the model has answered, and then
 * adds all messages beyond that number. If somebody else has written to the session meanwhile, the number is too high
 * and the question is dropped. Nothing tells the history which messages are the question, so it observes the array when
 * the runnable concatenates them.
 */
export class Asked {
  readonly #asks: Ask[] = [];
  /**
   * The length of the history that was read just before. Whoever adds messages immediately afterwards has used it for
   * counting.
   */
  #counted: number | null = null;

  /** Returns the messages in an array that records what is concatenated to it. */
  noting(messages: BaseMessage[]): BaseMessage[] {
    const concat = (...items: (BaseMessage | ConcatArray<BaseMessage>)[]): BaseMessage[] => {
      const all = Array.prototype.concat.apply(messages, items);
      this.#asks.push({ given: messages.length, inputs: all.slice(messages.length) });
      if (this.#asks.length > MAX_ASKS) this.#asks.shift();
      return all;
    };
    Object.defineProperty(messages, "concat", { value: concat, enumerable: false });
    this.#counted = messages.length;
    // The length is valid only within the same turn of the event loop: the runnable adds its messages before anything
    // else happens.
    setTimeout(() => (this.#counted = null), 0);
    return messages;
  }

  /** The messages that a run adds, completed by its question if that was dropped. */
  restore(added: readonly BaseMessage[]): BaseMessage[] {
    const counted = this.#counted;
    this.#counted = null;
    const isLost = ({ given, inputs }: Ask): boolean => counted !== null && counted >= given + inputs.length;
    const ask =
      this.#asks.findLast(({ inputs }) => inputs.some((input) => added.includes(input))) ?? this.#asks.findLast(isLost);
    if (ask === undefined) return [...added];
    this.#asks.splice(this.#asks.indexOf(ask), 1);
    if (counted === null) return [...added];
    const lost = ask.inputs.slice(0, Math.max(0, counted - ask.given)).filter((input) => !added.includes(input));
    return [...lost, ...added];
  }
}
