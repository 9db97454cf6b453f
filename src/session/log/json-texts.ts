/** Most characters that are kept. A prompt with files may be much longer, and would otherwise be in memory twice. */
const MAX_KEPT_LENGTH = 1024 * 1024;

/**
 * Keeps the JSON of messages, so that each message is serialised only once: for the hash of the prompt's prefix, and
 * for the response that contains the prompt.
 */
export class JsonTexts {
  readonly #texts = new Map<unknown, string>();
  #length = 0;

  readonly write = (message: unknown): string => {
    const text = JSON.stringify(message);
    this.#length += text.length;
    if (this.#length <= MAX_KEPT_LENGTH) this.#texts.set(message, text);
    return text;
  };

  /** A response as JSON, with the kept JSON of its messages. */
  answer(answer: object): string {
    const fields: string[] = [];
    for (const [name, value] of Object.entries(answer)) {
      if (value !== undefined) fields.push(`${JSON.stringify(name)}:${this.#value(value)}`);
    }
    return `{${fields.join(",")}}`;
  }

  #value(value: unknown): string {
    if (!Array.isArray(value) || !this.#texts.has(value[0])) return JSON.stringify(value);
    return `[${value.map((one: unknown) => this.#texts.get(one) ?? JSON.stringify(one)).join(",")}]`;
  }
}
