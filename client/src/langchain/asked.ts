import type { BaseMessage } from "@langchain/core/messages";

/** What a run put after the history that it was given. */
interface Ask {
  readonly given: number;
  readonly inputs: readonly BaseMessage[];
}

/** Of runs that failed nothing is added: only so many of them are remembered. */
const MAX_ASKS = 16;

/**
 * What runs ask, so that none of it is lost. A `RunnableWithMessageHistory` without `historyMessagesKey` puts the question after the history that it reads,
 * reads the history again once the model has answered, and adds what stands past as many messages: where somebody else has written meanwhile, that
 * begins behind the question. It never says what it asked, so the history looks on while it puts the two together.
 */
export class Asked {
  readonly #asks: Ask[] = [];
  /** How many messages a history had that was read just now: whoever adds to it at once has counted them. */
  #counted: number | null = null;

  /** The messages, in an array that notes what is put after them. */
  noting(messages: BaseMessage[]): BaseMessage[] {
    const concat = (...items: (BaseMessage | ConcatArray<BaseMessage>)[]): BaseMessage[] => {
      const all = Array.prototype.concat.apply(messages, items);
      this.#asks.push({ given: messages.length, inputs: all.slice(messages.length) });
      if (this.#asks.length > MAX_ASKS) this.#asks.shift();
      return all;
    };
    Object.defineProperty(messages, "concat", { value: concat, enumerable: false });
    this.#counted = messages.length;
    // Nothing that was heard of between is added in the same turn of the event loop.
    setTimeout(() => (this.#counted = null), 0);
    return messages;
  }

  /** What a run adds, with what it has asked and counted away. */
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
