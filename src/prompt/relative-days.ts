/**
 * Finds words that name a day relative to the day on which they were written, such as "tomorrow"; some days later they
 * are wrong. In English, German, Spanish, French, Portuguese, Italian, Chinese and Japanese. A false positive costs a
 * few tokens, a false negative makes a memory wrong; so the patterns are broad.
 */

/** The short names of days count only after a word that shows that a day is meant. */
const WEEKDAYS =
  "monday|tuesday|wednesday|thursday|friday|saturday|sunday|(?:on|this|next|last|by|until) (?:mon|tues?|wed|thu(?:rs)?|fri|sat|sun)|" +
  "montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag|" +
  "lunes|martes|miércoles|jueves|viernes|sábado|domingo|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|" +
  "(?:segunda|terça|quarta|quinta|sexta)-feira|(?:na|nesta|esta|próxima) (?:segunda|terça|quarta|quinta|sexta)|" +
  "lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica";

/**
 * Words that need no context. The French "hier" is handled separately, because it means "here" in German, where it is
 * very common.
 */
const WORDS =
  "today|tonight|tomorrow|yesterday|the other day|heute|(?<!guten )morgen|übermorgen|gestern|vorgestern|hoy|mañana|ayer|anteayer|antier|anoche|" +
  "aujourd['’]hui|demain|hier (?:soir|matin|midi)|d['’]hier|depuis hier|après-demain|avant-hier|hoje|amanhã|ontem|anteontem|" +
  "oggi|domani|ieri|dopodomani|l['’]altro ieri|quest['’](?:anno|estate|inverno|autunno)|stasera|stanotte|stamattina|stamani";

/** Words before a span of time. */
const BEFORE =
  "(?:this|next|last|coming|past|later this|end of (?:the|this|next)|diese[nmrs]?|nächste[nmrs]?|kommende[nmrs]?|letzte[nmrs]?|vorige[nmrs]?|" +
  "ende (?:der|des)|est[ea]|fin(?:ales)? de(?:l| la)|próxim[oa]|últim[oa]|cet?|cette|fin (?:du|de la)|nest[ea]|fim d[oa]|" +
  "quest[oa]|prossim[oa]|scors[oa]|fine (?:del|della))";

const SPANS =
  "(?:week|weekend|month|quarter|year|morning|afternoon|evening|night|spring|summer|autumn|fall|winter|" +
  "woche|wochenende|monats?|quartal|jahr(?:es)?|abend|frühling|sommer|herbst|" +
  "semana|mes|mês|año|ano|tarde|noche|noite|manhã|verano|verão|otoño|outono|invierno|inverno|primavera|" +
  "semaine|week-end|mois|année|matin|après-midi|soir|nuit|été|automne|hiver|printemps|" +
  "settimana|mese|anno|mattina|pomeriggio|sera|notte|estate|autunno)";

/** Words after a span of time. */
const AFTER =
  "(?:que viene|que vem|próxim[oa]|pasad[oa]|passad[oa]|prochaine?|derni(?:er|ère)|passée?|prossim[oa]|scors[oa])";

const UNITS =
  "(?:minutes?|mins?|hours?|hrs?|days?|nights?|weeks?|fortnights?|months?|years?|minuten?|stunden?|tag(?:en?)?|wochen?|monat(?:en?)?|jahr(?:en?)?|" +
  "minutos?|horas?|días?|semanas?|mes(?:es)?|años?|heures?|jours?|semaines?|mois|ans?|dias?|anos?|" +
  "minut[oi]|or[ae]|giorn[oi]|settiman[ae]|mes[ei]|ann[oi])";

/** Numbers in words or figures: "two", "a few", "2.5", "3-4", "ein paar". */
const NUMBER =
  "(?:(?:about|around|another|the next|just|only|etwa|circa|den nächsten|unos|unas|environ|cerca de) )?" +
  "(?:a couple of|half an?|ein paar|einer halben|un par de|un paio di|an?|\\d{1,3}(?:[.,]\\d{1,2})?(?: ?(?:[-–]|to|or|bis|oder|ou|o|à) ?\\d{1,3})?|a few|\\p{L}{1,12})";

/** "in two weeks", "vor drei Tagen", "hace 3 días", "the last two days". */
const SHIFTED =
  `(?:in|within|vor|seit|hace|en|dentro de|dans|il y a|em|há|daqui a|fra|tra) ${NUMBER} ${UNITS}|` +
  `${NUMBER} ${UNITS} (?:ago|from (?:now|today)|later today|fa|atrás)|` +
  `(?:the|these) (?:next|last|past|coming) (?:few|couple of|\\p{L}{1,12}|\\d{1,3}) ${UNITS}`;

const SPACED = `(?<![\\p{L}\\p{N}])(?:${WORDS}|${WEEKDAYS}|${BEFORE} ${SPANS}|${SPANS} ${AFTER}|${SHIFTED})(?![\\p{L}\\p{N}])`;

/** For languages without spaces between words. "今日は" is excluded, because it is more often a greeting than "today". */
const UNSPACED =
  "[昨今明前去]天|[后後]天|大[后後]天|[昨今明]晚|今早|明早|[上下这這本][周週]|[上下这這本]个?個?月|[去今明]年|星期[一二三四五六日天]|[周週][一二三四五六]|" +
  "今日(?!は)|明日|昨日|明後日|一昨日|今夜|昨夜|今朝|今晩|再?来[週月年]|[先今]週|先月|今月|昨年|[月火水木金土日]曜|" +
  "[\\d一二三四五六七八九十两兩]{1,3} ?(?:个|個|か|ヶ|ケ)?(?:分钟|分鐘|小时|小時|天|周|週|月|年|分|時間|日|週間)(?:后|後|前|之)";

const RELATIVE = new RegExp(`${SPACED}|${UNSPACED}`, "giu");

const HIER = /(?<![\p{L}\p{N}])hier(?![\p{L}\p{N}])/giu;
const FRENCH =
  /(?<![\p{L}\p{N}])(?:j['’]|c['’]est|je|tu|elle|nous|vous|on|est|sont|suis|avons|ont|était|les?|une?|au|aux|avec|pour|mon|ma|mes)(?![\p{N}])/iu;
const GERMAN =
  /(?<![\p{L}\p{N}])(?:ist|sind|das|der|die|den|und|ich|wir|gibt|nicht|eine?n?|bin|war|mit|zu)(?![\p{L}\p{N}])/iu;

/** A complete date, in the usual ways of writing one. */
const DATE =
  /(?<!\d)(?:(?:19|20)\d\d-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./](?:(?:19|20)\d\d|\d\d)|\d{1,2}(?:st|nd|rd|th|er|º|\.)? (?:(?:of|de) )?\p{L}{3,10}\.?(?: (?:of|de))?,? (?:19|20)\d\d|\p{L}{3,10}\.? \d{1,2}(?:st|nd|rd|th)?,? (?:19|20)\d\d|(?:19|20)\d\d年\d{1,2}月\d{1,2}日)(?!\d)/giu;

/** A date within this many characters of such words explains them: "on Friday, the 6th of March 2026". */
const MAX_DATE_DISTANCE = 10;

/** The mark that `withDay` adds to an item. */
const SAID = /\(said \d{4}-\d\d-\d\d/;

interface Found {
  readonly words: string;
  readonly from: number;
  readonly to: number;
}

const found = (text: string, expression: RegExp): Found[] =>
  [...text.matchAll(expression)].map(({ 0: words, index }) => ({ words, from: index, to: index + words.length }));

/**
 * The relative words that no date nearby explains, in order.
 * @param text in NFC
 */
function unexplained(text: string): Found[] {
  const spoken = found(text, RELATIVE);
  const isFrench = /hier/i.test(text) && FRENCH.test(text) && !GERMAN.test(text);
  const all = isFrench ? [...spoken, ...found(text, HIER)].toSorted((a, b) => a.from - b.from) : spoken;
  if (all.length === 0) return [];
  const dates = found(text, DATE);
  return all.filter(({ from, to }) =>
    dates.every((date) => date.from - to > MAX_DATE_DISTANCE || from - date.to > MAX_DATE_DISTANCE),
  );
}

/**
 * The first relative words of a text; null if it has none, or a date nearby explains them.
 * @internal Which words count is a table that a test goes through.
 */
export function relativeWords(text: string): string | null {
  return unexplained(text.normalize("NFC"))[0]?.words ?? null;
}

/**
 * Adds to a text with relative words the day on which it was written: at the end, or, if its words were written on
 * several days, after each of them.
 * @param day returns the day on which given words were written
 */
export function withDay(text: string, day: (words: string) => string | null): string {
  if (SAID.test(text)) return text;
  const plain = text.normalize("NFC");
  const said = unexplained(plain).flatMap(({ words, to }) => {
    const on = day(words);
    return on === null ? [] : [{ to, mark: ` (said ${on})` }];
  });
  const [first] = said;
  if (first === undefined) return text;
  if (said.every(({ mark }) => mark === first.mark)) return `${text}${first.mark}`;
  return said.reduceRight((dated, { to, mark }) => `${dated.slice(0, to)}${mark}${dated.slice(to)}`, plain);
}
