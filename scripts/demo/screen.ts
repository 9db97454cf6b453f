// Prints the demo's output: plain text, with colour only if the terminal supports it (https://no-color.org).

type Emphasis = "strong" | "quiet";

export interface Screen {
  heading(text: string): void;
  line(text?: string, emphasis?: Emphasis): void;
  /** Prints a line that the next call replaces; does nothing if there is no terminal. */
  progress(text: string): void;
  good(text: string): void;
  bad(text: string): void;
}

export interface ScreenTarget {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const ERASE_LINE = "\r\u001b[2K";
const MAX_WIDTH = 110;
const COLOURS = { heading: "1;36", strong: "1;33", quiet: "2", good: "32", bad: "31" } as const;

export function createScreen(target: ScreenTarget, env: Readonly<Record<string, string | undefined>>): Screen {
  const isTerminal = target.isTTY === true;
  const hasColour = isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const width = Math.min(MAX_WIDTH, (target.columns || 80) - 1);
  let hasProgress = false;
  const paint = (colour: keyof typeof COLOURS, text: string): string =>
    hasColour ? `\u001b[${COLOURS[colour]}m${text}\u001b[0m` : text;
  const write = (text: string): void => {
    target.write(hasProgress ? ERASE_LINE + text : text);
    hasProgress = false;
  };
  const writeLines = (text: string, show: (line: string) => string): void => {
    const lines = isTerminal ? wrap(text, width) : [text];
    for (const line of lines) write(`${show(line)}\n`);
  };
  return {
    heading: (text) => write(`\n${paint("heading", text)}\n`),
    line: (text = "", emphasis) => writeLines(text, (line) => (emphasis === undefined ? line : paint(emphasis, line))),
    progress(text) {
      if (!isTerminal) return;
      write(text.slice(0, width));
      hasProgress = true;
    },
    good: (text) => writeLines(`   ✓ ${text}`, (line) => line.replace(/^ {3}✓/, `   ${paint("good", "✓")}`)),
    bad: (text) => writeLines(`   ✗ ${text}`, (line) => paint("bad", line)),
  };
}

/**
 * Wraps between words, and indents continuation lines.
 * @internal Line breaks have cases that no screen of the demo has.
 */
export function wrap(text: string, width: number): string[] {
  const indent = /^ */.exec(text)?.[0] ?? "";
  const [first = "", ...words] = text.slice(indent.length).split(" ");
  const lines: string[] = [];
  let line = indent + first;
  for (const word of words) {
    if (line.length + 1 + word.length <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = `${indent}  ${word}`;
    }
  }
  return [...lines, line];
}
