// What the demo prints: plain text, with colour only where a terminal shows it (https://no-color.org).

export interface Screen {
  heading(text: string): void;
  line(text?: string): void;
  /** A line that the next one replaces; nothing where there is no terminal. */
  progress(text: string): void;
  good(text: string): void;
  bad(text: string): void;
  strong(text: string): string;
  quiet(text: string): string;
}

export interface ScreenTarget {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const ERASE_LINE = "\r\u001b[2K";
const MAX_WIDTH = 110;

export function createScreen(target: ScreenTarget, env: Readonly<Record<string, string | undefined>>): Screen {
  const isTerminal = target.isTTY === true;
  const hasColour = isTerminal && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb";
  const width = Math.min(MAX_WIDTH, (target.columns ?? 80) - 1);
  let hasProgress = false;
  const paint = (code: string, text: string): string => (hasColour ? `\u001b[${code}m${text}\u001b[0m` : text);
  const write = (text: string): void => {
    target.write(hasProgress ? ERASE_LINE + text : text);
    hasProgress = false;
  };
  return {
    heading: (text) => write(`\n${paint("1;36", text)}\n`),
    line: (text = "") => write(`${text}\n`),
    progress(text) {
      if (!isTerminal) return;
      write(text.slice(0, width));
      hasProgress = true;
    },
    good: (text) => write(`   ${paint("32", "✓")} ${text}\n`),
    bad: (text) => write(`   ${paint("31", "✗")} ${text}\n`),
    strong: (text) => paint("1;33", text),
    quiet: (text) => paint("2", text),
  };
}
