/** Characters that are kept, at most: of a prompt of files all texts together would stand in memory twice. */
const MAX_KEPT_LENGTH = 1024 * 1024;

/** The JSON of messages, each written once: for the hash of a prompt's prefix, and for the answer that the prompt goes into. */
export class JsonTexts {
  readonly #texts = new Map<unknown, string>();
  #length = 0;

  readonly write = (message: unknown): string => {
    const text = JSON.stringify(message);
    this.#length += text.length;
    if (this.#length <= MAX_KEPT_LENGTH) this.#texts.set(message, text);
    return text;
  };

  /** An answer as JSON, with its messages as they were written. */
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
