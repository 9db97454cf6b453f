import { createRandom } from "../simulation/random.ts";

/**
 * Text that is made to be underestimated, by kind and from a seed: what no one writes, and what logs, keys and attackers produce.
 * `natural` provides words and sentences for the kinds that spoil real text.
 */

const LOWER = "abcdefghijklmnopqrstuvwxyz";
const UPPER = LOWER.toUpperCase();
const DIGITS = "0123456789";
const MARKS = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const VOWELS = "aeiou";
const RUNS = `${MARKS}aeiotxzAEX09 \n\t\r─█…—–•→«»éßü中的一のアン가이д本अक्यनाαω।กא🔥😀❤。、！　\u00a0\u200b\ufe0f\u0301\uffff\ue000\u0000龘𝒜𠀀`;

/** Letters by script: the first and the last code point. */
const SCRIPTS: Record<string, readonly [number, number]> = {
  "Latin with accents": [0xc0, 0x24f],
  "Vietnamese letters": [0x1ea0, 0x1ef9],
  Greek: [0x391, 0x3c9],
  Cyrillic: [0x410, 0x44f],
  "rare Cyrillic": [0x460, 0x52f],
  Armenian: [0x531, 0x586],
  Hebrew: [0x5d0, 0x5ea],
  Arabic: [0x620, 0x64a],
  "Arabic with marks": [0x600, 0x6ff],
  "presentation forms": [0xfb50, 0xfdff],
  Syriac: [0x710, 0x74a],
  Devanagari: [0x904, 0x939],
  "Devanagari with signs": [0x900, 0x97f],
  Bengali: [0x985, 0x9b9],
  Tamil: [0xb85, 0xbcd],
  Telugu: [0xc05, 0xc4d],
  Thai: [0xe01, 0xe3a],
  Lao: [0xe81, 0xebd],
  Tibetan: [0xf40, 0xfb0],
  Burmese: [0x1000, 0x103e],
  Georgian: [0x10d0, 0x10f0],
  Jamo: [0x1100, 0x11ff],
  Ethiopic: [0x1200, 0x135a],
  Cherokee: [0x13a0, 0x13f4],
  Khmer: [0x1780, 0x17d3],
  Mongolian: [0x1820, 0x1877],
  hiragana: [0x3041, 0x3093],
  katakana: [0x30a1, 0x30f6],
  bopomofo: [0x3105, 0x312f],
  ideographs: [0x4e00, 0x9fa5],
  "rare ideographs": [0x3400, 0x4dbf],
  Yi: [0xa000, 0xa48c],
  Hangul: [0xac00, 0xd7a3],
};

/** All kinds of hostile text. Each kind has several texts of a few thousand characters. */
export function hostileTexts(seed: number, natural: readonly string[]): Map<string, string[]> {
  const next = createRandom(seed);
  const below = (limit: number): number => Math.floor(next() * limit);
  const pick = <T>(from: ArrayLike<T>): T => from[below(from.length)]!;
  const repeat = (times: number, make: (index: number) => string): string => {
    let text = "";
    for (let index = 0; index < times; index++) text += make(index);
    return text;
  };
  const between = (from: number, to: number): string => String.fromCodePoint(from + below(to - from + 1));
  const of = (alphabet: string, length: number): string => repeat(length, () => pick(alphabet));
  const word = (alphabet: string, most: number): string => of(alphabet, 1 + below(most));
  const passages = Array.from({ length: 6 }, () => {
    const text = pick(natural);
    const start = below(Math.max(1, text.length - 2000));
    return text.slice(start, start + 2000);
  });
  const words = [...new Set(natural.join(" ").match(/\b[a-z]{2,12}\b/gi))];
  const title = (text: string): string => text[0]!.toUpperCase() + text.slice(1);
  const scripts = Object.entries(SCRIPTS);
  const shuffled = (units: string[]): string[] => {
    for (let last = units.length - 1; last > 0; last--) {
      const other = below(last + 1);
      [units[last], units[other]] = [units[other]!, units[last]!];
    }
    return units;
  };
  const uuid = (): string => [8, 4, 4, 4, 12].map((length) => of("0123456789abcdef", length)).join("-");
  const pictures = [..."😀😂👨👩👧💻🏽🏻🚀🫠🪐🧿🏴🇩🇪🇯🇵⚕⚖♂♀❤🔥"];
  const texts: Record<string, string[]> = {
    "random ASCII": [repeat(3000, () => between(32, 126)), repeat(2000, () => between(0, 127))],
    "random letters": [
      of(LOWER, 2500),
      of(UPPER, 2500),
      of(LOWER + UPPER, 2500),
      repeat(500, () => `${word(LOWER, 9)} `),
      repeat(500, () => `${title(word(LOWER, 9))} `),
      repeat(900, () => pick("bcdfghjklmnpqrstvwxyz") + pick(VOWELS)),
      of("bcdfghjklmnpqrstvwxz", 2000),
      of("jqxzkvwy", 2000),
      repeat(500, () => `${word("jqxzkvwybfp", 7)} `),
    ],
    "base64 and keys": [
      of(`${LOWER}${UPPER}${DIGITS}+/`, 3000),
      of(`${LOWER}${UPPER}${DIGITS}-_`, 3000),
      of(`${LOWER}${DIGITS}`, 3000),
      of(`${UPPER}${DIGITS}`, 2000),
      of(`${UPPER}234567`, 2000),
      repeat(60, () => `sk-${of(LOWER + UPPER + DIGITS, 40)}\n`),
    ],
    "hex and uuid": [
      of("0123456789abcdef", 3000),
      of("0123456789ABCDEF", 3000),
      repeat(80, () => `${uuid()}\n`),
      repeat(80, () => `"id":"${uuid()}",`),
      repeat(1000, () => `${of("0123456789ABCDEF", 2)} `),
      repeat(600, () => `\\x${of("0123456789abcdef", 2)}`),
      repeat(500, () => `\\u${of("0123456789abcdef", 4)}`),
      repeat(700, () => `%${of("0123456789ABCDEF", 2)}`),
    ],
    digits: [
      of(DIGITS, 2500),
      repeat(800, () => (next() * 1e4).toFixed(below(4)) + pick([", ", " ", "\n", ";", "-", "/"])),
      repeat(1200, () => `${pick(DIGITS)}${pick(" .,:-")}`),
      repeat(1500, () => between(0x660, 0x669)),
      repeat(1500, () => between(0x966, 0x96f)),
      repeat(1500, () => between(0xff10, 0xff19)),
    ],
    "runs of one character": Array.from(RUNS, (unit) => unit.repeat(450)),
    "runs of runs": [
      repeat(400, () => pick(Array.from(RUNS)).repeat(1 + below(12))),
      repeat(300, () => pick(MARKS).repeat(1 + below(20))),
      repeat(300, () => pick(MARKS).repeat(3) + pick(MARKS)),
      repeat(300, () => pick(LOWER).repeat(1 + below(20))),
    ],
    whitespace: [
      repeat(60, () => pick([" ", "\t", "\n", "\r\n", "  ", "\n\n"]).repeat(1 + below(90))),
      of(" \n\t\r", 3000),
      of(" \t", 2000),
      of(" \n", 2000),
      of("\t\n", 2000),
      of(" \r\n\t\v\f", 2000),
      repeat(1500, () => pick("\u00a0\u1680\u2000\u2001\u2002\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff ")),
      repeat(400, () => " ".repeat(1 + below(9)) + pick(LOWER)),
      repeat(400, () => "\t".repeat(1 + below(5)) + "\n".repeat(below(4)) + pick(MARKS)),
    ],
    punctuation: [
      of(MARKS, 3000),
      repeat(3000, (index) => pick(index % 2 === 0 ? MARKS : LOWER)),
      repeat(1500, () => `${pick(MARKS)} `),
      repeat(1500, () => pick(MARKS) + pick(DIGITS)),
      repeat(1000, () => `\n${pick(MARKS)}${pick(MARKS)}`),
      repeat(1500, () => between(0xa1, 0xbf)),
      repeat(1500, () => between(0x2010, 0x205e)),
      repeat(1500, () => between(0x3001, 0x303f)),
      repeat(1500, () => between(0xff01, 0xff0f)),
    ],
    identifiers: [
      repeat(300, () => pick(words) + title(pick(words)) + title(pick(words)) + pick([" ", "\n", ".", "("])),
      repeat(400, () => title(pick(words))),
      repeat(400, () => `${pick(words)}_`),
      repeat(300, () => `${pick(words)}${below(100)}-`),
      repeat(400, () => `${pick(LOWER)}.${pick(LOWER)}(${pick(LOWER)}${pick(["),", ";", "=", "&&", "?", ":"])}`),
      repeat(300, () => `${pick(LOWER + UPPER)}${pick(LOWER)}=${pick(LOWER)}[${below(90)}]${pick("+-*/|&,;")}`),
    ],
    "capitals, no spaces, shuffled": passages.flatMap((text) => [
      text.toUpperCase(),
      text.replace(/\s+/g, ""),
      text.replace(/\s+/g, "").toUpperCase(),
      Array.from(text, (unit) => (next() < 0.5 ? unit.toUpperCase() : unit.toLowerCase())).join(""),
      shuffled(Array.from(text)).join(""),
      text.replace(/\p{L}+/gu, (found) => shuffled(Array.from(found)).join("")),
      Array.from(text).toReversed().join(""),
      Array.from(text).join(" "),
    ]),
    "natural with garbage": passages.flatMap((text) => [
      text.replace(/ /g, () => (next() < 0.4 ? ` ${word(LOWER, 10)} ` : " ")),
      text.replace(/ /g, () => (next() < 0.3 ? ` ${of(LOWER + UPPER + DIGITS, 12)} ` : " ")),
      text.replace(/\p{L}/gu, (unit) => (next() < 0.15 ? pick(LOWER) : unit)),
      text.replace(/ /g, () => (next() < 0.4 ? ` ${repeat(2, () => between(0x4e00, 0x9fa5))} ` : " ")),
    ]),
    "combining marks": [
      ...passages
        .slice(0, 2)
        .map((text) =>
          Array.from(text.slice(0, 600), (unit) => unit + repeat(below(6), () => between(0x300, 0x36f))).join(""),
        ),
      ...passages
        .slice(0, 2)
        .map((text) => text.replace(/\p{L}/gu, (unit) => `${unit}${pick("\u0301\u0300\u0308\u0302\u0327")}`)),
      ...passages.map((text) => text.normalize("NFD")),
      repeat(1500, () => between(0x300, 0x36f)),
    ],
    "random Unicode": [
      repeat(2000, () => between(0x80, 0xd7ff)),
      repeat(1500, () => between(0x10000, 0x10ffff)),
      repeat(1500, () => between(0x10000, 0x1ffff)),
      repeat(1500, () => between(0x20000, 0x2fa1f)),
      repeat(1500, () => between(0x1d400, 0x1d7ff)),
      repeat(1500, () => between(0x80, 0x7ff)),
      repeat(1500, () => between(0x2100, 0x2bff)),
      repeat(1500, () => between(0xf900, 0xfaff)),
      repeat(1500, () => between(0x80, 0xff)),
      repeat(2500, () => String.fromCharCode(below(256))),
    ],
    "private and unassigned": [
      repeat(1500, () => between(0xe000, 0xf8ff)),
      repeat(1500, () => between(0xf0000, 0xfffff)),
      repeat(1500, () => between(0x40000, 0xdffff)),
      repeat(1500, () => between(0xfff0, 0xffff)),
      repeat(1500, () => between(0xe0000, 0xe01ef)),
    ],
    surrogates: [
      repeat(1000, () => between(0xd800, 0xdbff)),
      repeat(1000, () => between(0xdc00, 0xdfff)),
      repeat(1000, () => String.fromCharCode(0xd800 + below(0x800)) + pick(["", " ", "a"])),
    ],
    "emoji sequences": [
      repeat(600, () => pick(pictures) + pick(["", "\u200d", "\ufe0f", "\ufe0f\u200d"])),
      repeat(
        300,
        () => `${pick("👨👩🧑".match(/./gu)!)}\u200d${pick("👩👨".match(/./gu)!)}\u200d${pick("👧👦".match(/./gu)!)}`,
      ),
      repeat(500, () => between(0x1f1e6, 0x1f1ff)),
      repeat(700, () => between(0x1f300, 0x1faff)),
      repeat(500, () => pick("👍👋🙏".match(/./gu)!) + between(0x1f3fb, 0x1f3ff)),
      repeat(400, () => `${pick("0123456789#*")}\ufe0f\u20e3`),
      repeat(900, () => between(0x2600, 0x27bf) + pick(["", "\ufe0f"])),
    ],
    "scripts mixed": [
      repeat(1500, () => between(...pick(scripts)[1])),
      repeat(1500, () => (next() < 0.3 ? pick(LOWER) : between(...pick(scripts)[1]))),
      repeat(700, () => repeat(2 + below(3), () => between(...pick(scripts)[1])) + pick([" ", "", ",", "\n"])),
      repeat(500, () => pick(LOWER) + between(0x430, 0x44f) + between(0x391, 0x3c9)),
      repeat(700, () => between(0x4e00, 0x9fa5) + between(0x3041, 0x3093) + pick(["", " ", "a", "。"])),
    ],
  };
  for (const [name, [from, to]] of scripts) {
    texts[`random ${name}`] = [
      repeat(1500, () => between(from, to)),
      repeat(1500, () => (next() < 0.16 ? " " : between(from, to))),
      // A few letters repeated, as an attacker would pick the most expensive ones.
      ...Array.from({ length: 3 }, () => {
        const few = repeat(2 + below(8), () => between(from, to));
        return repeat(500, () => pick(Array.from(few)));
      }),
    ];
  }
  texts["few characters over and over"] = Array.from({ length: 80 }, (_, index) => {
    const few = Array.from(
      repeat(2 + below(index % 2 === 0 ? 9 : 3), () =>
        next() < (index % 2 === 0 ? 0.5 : 1) ? between(33, 126) : between(...pick(scripts)[1]),
      ),
    );
    return repeat(420, () => pick(few));
  });
  texts["one group over and over"] = Array.from({ length: 100 }, () => {
    const [from, to] = pick(scripts)[1];
    const group = repeat(1 + below(6), () => (next() < 0.6 ? between(from, to) : between(32, 126)));
    return group.repeat(Math.ceil(420 / group.length));
  });
  return new Map(Object.entries(texts));
}
