/**
 * How much work a regular expression has with a text, counted in steps and not in time. It matches like engines of JavaScript, by trying
 * and backtracking from every position: if the steps grow faster than the text here, they do so there. One test uses it; it is a matcher with tests of its own, so it has a file of its own.
 */

type Node =
  | { readonly kind: "char"; readonly matches: (char: string) => boolean; readonly literal: string | null }
  | { readonly kind: "at"; readonly holds: (text: readonly string[], at: number) => boolean }
  | { readonly kind: "all"; readonly parts: readonly Node[] }
  | { readonly kind: "any"; readonly choices: readonly Node[] }
  | { readonly kind: "look"; readonly direction: 1 | -1; readonly isNegative: boolean; readonly body: Node }
  | {
      readonly kind: "repeat";
      readonly body: Node;
      readonly min: number;
      readonly max: number;
      readonly isLazy: boolean;
    };

const WORD = /\w/;

/** More steps than this count as nonlinear, without counting further. */
const MAX_STEPS = 2_000_000;

/** Parses the pattern; throws at what it does not support. */
class Parser {
  readonly #source: readonly string[];
  readonly #flags: string;
  #at = 0;

  constructor({ source, flags }: RegExp) {
    this.#source = Array.from(source);
    this.#flags = flags;
  }

  read(): Node {
    const node = this.#readChoices();
    if (this.#at < this.#source.length) throw new Error(`unread: ${this.#rest()}`);
    return node;
  }

  #rest(): string {
    return this.#source.slice(this.#at).join("");
  }

  #take(text: string): boolean {
    if (!this.#rest().startsWith(text)) return false;
    this.#at += Array.from(text).length;
    return true;
  }

  #readChoices(): Node {
    const choices = [this.#readSequence()];
    while (this.#take("|")) choices.push(this.#readSequence());
    const [only] = choices;
    return choices.length === 1 && only !== undefined ? only : { kind: "any", choices };
  }

  #readSequence(): Node {
    const parts: Node[] = [];
    for (let next = this.#source[this.#at]; next !== undefined && next !== "|" && next !== ")";) {
      parts.push(this.#readRepeated());
      next = this.#source[this.#at];
    }
    return { kind: "all", parts };
  }

  #readRepeated(): Node {
    const body = this.#readAtom();
    const found = /^(?:[*+?]|\{(\d+)(,?)(\d*)\})(\??)/.exec(this.#rest());
    if (found === null) return body;
    this.#at += found[0].length;
    const [whole, low, comma, high, lazy] = found;
    const bounds: Record<string, readonly [number, number]> = { "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] };
    const most = comma === "" ? Number(low) : high === "" ? Infinity : Number(high);
    const [min, max] = bounds[whole.slice(0, 1)] ?? [Number(low), most];
    return { kind: "repeat", body, min, max, isLazy: lazy === "?" };
  }

  #readAtom(): Node {
    if (this.#take("(?=")) return this.#readLook(1, false);
    if (this.#take("(?!")) return this.#readLook(1, true);
    if (this.#take("(?<=")) return this.#readLook(-1, false);
    if (this.#take("(?<!")) return this.#readLook(-1, true);
    const group = /^\((?:\?:|\?<\w+>|(?!\?))/.exec(this.#rest());
    if (group !== null) {
      this.#at += group[0].length;
      return this.#readGroup();
    }
    if (this.#take("^")) return this.#readEdge(-1);
    if (this.#take("$")) return this.#readEdge(1);
    if (this.#take("\\b")) return { kind: "at", holds: isWordEdge };
    if (this.#take("\\B")) return { kind: "at", holds: (text, at) => !isWordEdge(text, at) };
    const reference = /^\\(?:[1-9]|k<)/.exec(this.#rest());
    // What our back references refer to is always short, so any character stands for it.
    if (reference !== null) {
      this.#at += reference[0].length;
      return { kind: "char", matches: () => true, literal: null };
    }
    const one =
      /^(?:\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]*\}|\\u\{[^}]*\}|\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|\\.|[^()[\]*+?|])/su.exec(
        this.#rest(),
      );
    if (one === null) throw new Error(`unknown: ${this.#rest()}`);
    this.#at += Array.from(one[0]).length;
    const expression = new RegExp(`^${one[0]}$`, this.#flags.replaceAll(/[dgmy]/g, ""));
    const isLiteral = /^(?:[^\\[.]|\\[^a-zA-Z0-9])$/su.test(one[0]);
    return { kind: "char", matches: (char) => expression.test(char), literal: isLiteral ? one[0].slice(-1) : null };
  }

  #readLook(direction: 1 | -1, isNegative: boolean): Node {
    return { kind: "look", direction, isNegative, body: this.#readGroup() };
  }

  #readGroup(): Node {
    const body = this.#readChoices();
    if (!this.#take(")")) throw new Error(`no end of a group: ${this.#rest()}`);
    return body;
  }

  #readEdge(direction: 1 | -1): Node {
    const isMultiline = this.#flags.includes("m");
    return {
      kind: "at",
      holds: (text, at) => {
        const beyond = text[direction === 1 ? at : at - 1];
        return beyond === undefined || (isMultiline && /[\n\r\u2028\u2029]/.test(beyond));
      },
    };
  }
}

function isWordEdge(text: readonly string[], at: number): boolean {
  return WORD.test(text[at - 1] ?? "") !== WORD.test(text[at] ?? "");
}

export interface SteppedRegExp {
  /** Steps of looking for every match in a text. */
  steps(text: string): number;
  /** What texts with much work consist of: one of each kind of character that the pattern distinguishes, and its literal words. */
  readonly pieces: { readonly characters: readonly string[]; readonly words: readonly string[] };
  /** Whether it repeats anything without a limit. */
  readonly isUnbounded: boolean;
}

export function stepThrough(expression: RegExp): SteppedRegExp {
  const root = new Parser(expression).read();
  const nodes = [...walk(root)];
  return {
    steps: (text) => countSteps(root, expression.unicode ? Array.from(text) : text.split(""), expression.sticky),
    pieces: { characters: charactersOf(nodes), words: wordsOf(nodes) },
    isUnbounded: nodes.some((node) => node.kind === "repeat" && node.max === Infinity),
  };
}

function* walk(node: Node): Generator<Node> {
  yield node;
  if (node.kind === "all") for (const part of node.parts) yield* walk(part);
  if (node.kind === "any") for (const choice of node.choices) yield* walk(choice);
  if (node.kind === "look" || node.kind === "repeat") yield* walk(node.body);
}

const CANDIDATES = [
  ...Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index)),
  ..."\t\n\r\u0000\u0085\u00a0\u200b\u2028éßØñжЯのヒ漢カ한ก٣½²’‘“”–—…、。！（「＜«·•👍",
];

/** One character of each kind: characters are of one kind if the same parts of the pattern match them. The least matched come first. */
function charactersOf(nodes: readonly Node[]): string[] {
  const kinds = new Map<string, { readonly char: string; readonly matched: number }>();
  for (const char of CANDIDATES) {
    const matches = nodes.map((node) => node.kind === "char" && node.matches(char));
    const kind = `${matches.map(Number).join("")} ${WORD.test(char)} ${/[\n\r\u2028]/.test(char)}`;
    if (!kinds.has(kind)) kinds.set(kind, { char, matched: matches.filter(Boolean).length });
  }
  return [...kinds.values()].toSorted((one, other) => one.matched - other.matched).map(({ char }) => char);
}

function wordsOf(nodes: readonly Node[]): string[] {
  const words = new Set<string>();
  for (const node of nodes) {
    if (node.kind !== "all") continue;
    let word = "";
    for (const part of [...node.parts, null]) {
      if (part?.kind === "char" && part.literal !== null) word += part.literal;
      else {
        if (word.length > 1) words.add(word);
        word = "";
      }
    }
  }
  return [...words];
}

class TooMany extends Error {}

function countSteps(root: Node, text: readonly string[], isSticky: boolean): number {
  let steps = 0;
  const count = (): void => {
    steps += 1;
    if (steps > MAX_STEPS) throw new TooMany();
  };

  /** Whether the rest matches, too; `then` continues with it. */
  const match = (node: Node, at: number, direction: 1 | -1, then: (at: number) => boolean): boolean => {
    count();
    switch (node.kind) {
      case "char": {
        const char = text[direction === 1 ? at : at - 1];
        return char !== undefined && node.matches(char) && then(at + direction);
      }
      case "at":
        return node.holds(text, at) && then(at);
      case "all": {
        const parts = direction === 1 ? node.parts : node.parts.toReversed();
        const from = (index: number, place: number): boolean => {
          const part = parts[index];
          return part === undefined ? then(place) : match(part, place, direction, (next) => from(index + 1, next));
        };
        return from(0, at);
      }
      case "any":
        return node.choices.some((choice) => match(choice, at, direction, then));
      case "look": {
        const isThere = match(node.body, at, node.direction, () => true);
        return isThere !== node.isNegative && then(at);
      }
      case "repeat": {
        const more = (times: number, place: number): boolean => {
          count();
          const again = (): boolean =>
            times < node.max &&
            match(node.body, place, direction, (next) => (next !== place || times < node.min) && more(times + 1, next));
          const enough = (): boolean => times >= node.min && then(place);
          return node.isLazy ? enough() || again() : again() || enough();
        };
        return more(0, at);
      }
    }
  };

  try {
    for (let at = 0; at <= text.length;) {
      let end = at;
      const isFound = match(root, at, 1, (place) => {
        end = place;
        return true;
      });
      if (isSticky) break;
      at = isFound && end > at ? end : at + 1;
    }
  } catch (error) {
    if (error instanceof TooMany) return Infinity;
    throw error;
  }
  return steps;
}

/** Of the characters that the fewest parts of a pattern match, this many are tried as the end of a failing match. */
const FAILING_ENDS = 3;

/** Texts of about a given length that may cause much work: a repeated piece with something before and after it. */
function* hardTexts({ pieces }: SteppedRegExp): Generator<(length: number) => string> {
  const { characters, words } = pieces;
  const singles = [...words, ...characters];
  const pairs = characters.flatMap((one) => characters.filter((other) => other !== one).map((other) => one + other));
  const ends = ["", ...characters.slice(0, FAILING_ENDS)];
  const repeated = (piece: string, length: number): string => piece.repeat(Math.ceil(length / piece.length));
  for (const piece of singles)
    for (const before of ["", ...singles])
      for (const after of ends) yield (length) => before + repeated(piece, length) + after;
  for (const piece of pairs) for (const after of ends) yield (length) => repeated(piece, length) + after;
}

/** Twice the text takes twice the steps if they are linear, and four times as many if they are quadratic. */
const MAX_GROWTH = 3;
const FIRST_LENGTH = 24;
/** Long enough that every limited repetition has reached its limit. */
const SURE_LENGTH = 160;

/** A text for which the steps of an expression grow faster than its length; null if none was found. */
export function findHardText(expression: RegExp): string | null {
  const stepped = stepThrough(expression);
  if (!stepped.isUnbounded) return null;
  const grows = (text: (length: number) => string, length: number): boolean => {
    const steps = stepped.steps(text(2 * length));
    return steps === Infinity || steps > MAX_GROWTH * stepped.steps(text(length));
  };
  for (const text of hardTexts(stepped)) {
    if (grows(text, FIRST_LENGTH) && grows(text, SURE_LENGTH)) return text(FIRST_LENGTH);
  }
  return null;
}
