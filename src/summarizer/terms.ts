/** The weighted terms of a text, with which the content of a statement is measured. */

const WORD = /\p{N}+(?:[.,:/-]\p{N}+)+|[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)?/gu;
const SPACELESS =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** Longer runs of letters and digits are keys, hashes or encoded data. */
const MAX_WORD_CHARACTERS = 48;
/** Dates, amounts and names are what a memory is asked for most, and what paraphrases lose first. */
const NUMBER_WEIGHT = 1.3;
export const NAME_WEIGHT = 1.4;
const COMMON_WEIGHT = 0.1;
/** Scripts without spaces are split into pairs of characters, and a word is about two pairs. */
const PAIR_WEIGHT = 0.5;

/**
 * Function words. Those of other languages are only the most frequent ones, without any that has a meaning in English.
 */
const STOP = new Set(
  (
    "a about above after again all also am an and any are as at be because been before being between both but by can could " +
    "did do does doing don down each even ever few for from further get gets getting go goes going gonna got gotta had has have " +
    "having he her here hers herself him himself his how i if in into is isn it its itself just let ll lot m many maybe me might more " +
    "most much must my myself no nor not now of off oh ok okay on once one only or other our ours ourselves out over own re " +
    "really s same she should so some still such t than that the their theirs them themselves then there these they this those " +
    "though through to too under until up us ve very was wasn we well were what when where which while who whom why will with " +
    "won would yeah yes yet you your yours yourself d didn doesn aren couldn wouldn shouldn haven hasn hadn im ive u ur " +
    "der das und ist nicht ich du er sie wir ihr ein eine einen einem mit für auf dem den zu im von auch wie aber noch mir dir es " +
    "el la los las un una unos y o de que en con por para es muy mi tu su lo le se como pero más está te nos " +
    "les des du et ou est je il elle nous vous dans pour avec sur pas qui ce cette mon ma mes au aux très " +
    "um uma e os as na no em com não eu ele ela meu minha il lo gli di che sono per non mio mia anche"
  ).split(" "),
);
/** Words of small talk: praise, moods, general verbs. They show the tone of a statement, seldom its content. */
const COMMON = new Set(
  (
    "absolutely agree always amazing any anyway anything appreciate around ask awesome bad beautiful believe best better big bit " +
    "bring call care change check come cool congrats congratulations day days different else enjoy every everyone everything exactly " +
    "excited exciting fantastic feel feeling felt find fine forward fun give glad great good guess guy guys happen happy hard hear heard " +
    "hello help hey hi hope idea important incredible inspiring interesting keep kind know later life like little long look looked looking " +
    "looks lots lovely luck made make makes making mean means moment never new nice nothing often part people perfect place please pretty " +
    "probably proud put quite reach right said say see seem seems someone something sometimes soon sorry sound sounds special start stuff " +
    "super sure take taking talk tell thank thanks thing things think thinking thought time times today together tough tried true try " +
    "trying turn use used want wanted way ways week welcome whole wish wonderful work working world worth wow wrong year years"
  ).split(" "),
);

export interface Term {
  readonly key: string;
  /** Weight by the kind of word, before rarity is considered. */
  readonly weight: number;
}

/**
 * Removes English endings, so that a word, its plural and its past are one term. Words of other languages stay whole.
 */
function stem(word: string): string {
  if (word.length < 5 || !/^[a-z]+$/.test(word)) return word;
  const bare = word
    .replace(/(?:sses|ies)$/, (ending) => (ending === "ies" ? "y" : "ss"))
    .replace(/([^su])s$/, "$1")
    .replace(/([a-z]{3})(?:ing|ed)$/, "$1")
    .replace(/(.)\1$/, "$1");
  return bare.replace(/e$/, "");
}

/** The distinct terms of a text. Takes time linear in its length. */
export function termsOf(text: string): Term[] {
  const weights = new Map<string, number>();
  const add = (key: string, weight: number): void => {
    weights.set(key, Math.max(weights.get(key) ?? 0, weight));
  };
  for (const { 0: word, index } of text.normalize("NFKC").matchAll(WORD)) {
    if (SPACELESS.test(word)) for (const pair of pairsOf(word)) add(pair, PAIR_WEIGHT);
    else if (word.length <= MAX_WORD_CHARACTERS) {
      const bare = word.toLowerCase().replace(/['’][^]*/, "");
      if (!STOP.has(bare)) add(stem(bare), weightOf(word, bare, index === 0));
    }
  }
  return [...weights].map(([key, weight]) => ({ key, weight }));
}

function* pairsOf(word: string): Generator<string> {
  const letters = [...word.toLowerCase()];
  for (let at = 0; at + 1 < letters.length; at += 1) yield `${letters[at]}${letters[at + 1]}`;
}

function weightOf(word: string, bare: string, isFirst: boolean): number {
  if (/\p{N}/u.test(bare)) return NUMBER_WEIGHT;
  if (COMMON.has(bare) || bare.length < 3) return COMMON_WEIGHT;
  // Every sentence begins with a capital; elsewhere a capital marks a name.
  return !isFirst && /^\p{Lu}/u.test(word) ? NAME_WEIGHT : 1;
}
