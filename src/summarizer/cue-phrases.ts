/**
 * Phrases that show what kind of statement a text is, in languages other than English. All lists are tried on every
 * statement, whatever its language; so they contain no phrase that means something else in another language. A
 * statement in a language without a list becomes a fact, which is the default.
 */
export type PhraseKind = "decision" | "preference" | "task" | "event" | "firstPerson";

/** Languages with spaces: whole words in lower case, separated by commas. */
const SPACED: Readonly<Record<string, Readonly<Record<PhraseKind, string>>>> = {
  de: {
    decision:
      "entschieden, entschlossen, beschlossen, geeinigt, wir nehmen, ich nehme, wir bleiben bei, dabei bleibt es, ausgesucht",
    preference: `bevorzuge, am liebsten, lieber, ich mag, mag ich, wir mögen, ich liebe, ich hasse, allergisch gegen, allergisch auf, vegan,
      veganerin, veganer, vegetarierin, vegetarier, vegetarisch, esse kein, esse keine, trinke kein, trinke keinen`,
    task: `ich muss, ich werde, ich soll, ich sollte, wir müssen, wir werden, wir sollten, muss ich, müssen wir, erinnere mich, erinner mich,
      bitte, vergiss nicht, nicht vergessen, frist, abgabe, fällig`,
    event: `gestern, heute, vorgestern, übermorgen, letzte woche, letzten monat, letztes jahr, nächste woche, nächsten monat, nächstes jahr,
      montag, dienstag, mittwoch, donnerstag, freitag, samstag, sonntag, januar, februar, märz, juni, juli, oktober, dezember`,
    firstPerson: "ich, mir, mich, mein, meine, meinen, meinem, meiner, wir, uns, unser, unsere, unseren, unserem",
  },
  es: {
    decision:
      "decidí, decidimos, hemos decidido, he decidido, acordamos, quedamos en, elegí, elegimos, nos quedamos con, vamos con",
    preference: `prefiero, preferimos, me gusta, me gustan, me encanta, me encantan, odio, alérgico, alérgica, intolerante a, vegetariana,
      vegetariano, vegano, vegana, favorito, favorita`,
    task: `tengo que, tenemos que, debo, debemos, hay que, voy a, vamos a, recuérdame, por favor, no olvides, plazo, fecha límite`,
    event: `ayer, hoy, anoche, semana pasada, mes pasado, año pasado, próxima semana, lunes, miércoles, jueves, viernes, sábado, domingo,
      enero, febrero, abril, mayo, junio, julio, septiembre, octubre, noviembre, diciembre`,
    firstPerson: "yo, mi, mis, nosotros, nuestro, nuestra, tengo, soy, estoy, vivo, trabajo",
  },
  fr: {
    decision: `j'ai décidé, avons décidé, on a décidé, décidé de, convenu de, j'ai choisi, avons choisi, on prend, nous prenons, opté pour`,
    preference: `je préfère, nous préférons, j'aime, j'adore, je déteste, allergique au, allergique aux, allergique à, intolérant au,
      végétarien, végétarienne, végane, mon préféré, ma préférée`,
    task: `je dois, nous devons, on doit, il faut, je vais, nous allons, rappelle-moi, s'il te plaît, s'il vous plaît, n'oublie pas, échéance,
      date limite`,
    event: `hier, aujourd'hui, semaine dernière, semaine prochaine, mois dernier, année dernière, lundi, mardi, mercredi, jeudi, vendredi,
      samedi, dimanche, janvier, février, avril, juin, juillet, août, septembre, octobre, décembre`,
    firstPerson: "je, j'ai, j'aime, moi, mon, mes, nous, notre, nos",
  },
  pt: {
    decision: "decidi, decidimos, resolvi, resolvemos, combinamos, escolhi, escolhemos, vamos ficar com",
    preference: `prefiro, preferimos, eu gosto, gosto de, eu adoro, odeio, alérgico a, alérgica a, intolerante a, vegetariano, vegetariana,
      vegano, vegana, favorito, favorita`,
    task: `tenho que, tenho de, temos que, preciso, precisamos, devo, devemos, vou, lembre-me, lembra-me, por favor, não esqueça,
      não se esqueça, prazo`,
    event: `ontem, hoje, semana passada, mês passado, ano passado, próxima semana, segunda-feira, terça-feira, quarta-feira, quinta-feira,
      sexta-feira, sábado, janeiro, fevereiro, março, maio, junho, julho, setembro, outubro, novembro, dezembro`,
    firstPerson: "eu, meu, minha, meus, minhas, nós, nosso, nossa, tenho, moro, trabalho",
  },
};

/** Languages without spaces: matched anywhere in a statement. */
const UNSPACED: Readonly<Record<string, Readonly<Record<PhraseKind, string>>>> = {
  zh: {
    decision: "决定, 決定了, 选了, 選了, 选择了, 選擇了, 商量好, 说好了, 說好了",
    preference: "喜欢, 喜歡, 偏好, 讨厌, 討厭, 不吃, 不喝, 过敏, 過敏, 吃素, 素食",
    task: "我要, 我们要, 我們要, 需要, 必须, 必須, 别忘, 別忘, 记得, 記得, 提醒我, 截止, 请帮, 請幫",
    event:
      "昨天, 今天, 明天, 后天, 後天, 前天, 上周, 上週, 下周, 下週, 上个月, 上個月, 下个月, 下個月, 去年, 明年, 星期, 月",
    firstPerson: "我, 咱们, 咱們",
  },
  ja: {
    decision: "決めた, 決めました, 決定した, 決定しました, にします, にしました, 選びました, 選んだ",
    preference:
      "好き, 嫌い, 苦手, アレルギー, 食べられません, 食べません, 飲みません, ベジタリアン, ヴィーガン, のほうがいい, の方がいい",
    task: "しなければ, しないと, する予定, つもりです, 忘れないで, リマインド, 締め切り, 締切, 期限, してください",
    event: "昨日, 今日, 明日, 先週, 来週, 先月, 来月, 去年, 来年, 曜日, 月",
    firstPerson: "私, 僕, 俺, わたし",
  },
};

const split = (phrases: string): string[] => phrases.split(",").map((phrase) => phrase.trim().replaceAll(/\s+/g, " "));

/** Phrases by their first word. */
type Phrases = ReadonlyMap<string, readonly string[]>;

function byFirstWord(kind: PhraseKind): Phrases {
  const phrases = new Map<string, string[]>();
  for (const phrase of Object.values(SPACED).flatMap((language) => split(language[kind]))) {
    const [first = ""] = phrase.split(" ");
    phrases.set(first, [...(phrases.get(first) ?? []), phrase]);
  }
  return phrases;
}

const ofKind = <T>(make: (kind: PhraseKind) => T): Readonly<Record<PhraseKind, T>> => ({
  decision: make("decision"),
  preference: make("preference"),
  task: make("task"),
  event: make("event"),
  firstPerson: make("firstPerson"),
});

const SPACED_PHRASES = ofKind(byFirstWord);
const UNSPACED_PHRASES = ofKind((kind) => Object.values(UNSPACED).flatMap((language) => split(language[kind])));

const WORD = /[\p{L}\p{M}\p{N}'-]+/gu;
const EAST_ASIAN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;

/**
 * Whether a statement contains a phrase of this kind.
 * @param text with straight apostrophes
 */
export function hasPhrase(text: string, kind: PhraseKind): boolean {
  const plain = text.normalize("NFC").toLowerCase();
  if (EAST_ASIAN.test(plain) && UNSPACED_PHRASES[kind].some((phrase) => plain.includes(phrase))) return true;
  const words = plain.match(WORD) ?? [];
  const phrases = SPACED_PHRASES[kind];
  return words.some((word, at) =>
    phrases.get(word)?.some((phrase) => {
      const parts = phrase.split(" ");
      return parts.every((part, offset) => words[at + offset] === part);
    }),
  );
}
