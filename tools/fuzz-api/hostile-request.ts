import { userStep } from "./as-user.ts";
import { Dice } from "./dice.ts";
// One request of the fuzzer. It depends on the seed and its number alone, so that it can be sent again by itself.
import type { JsonSchema, Parameter } from "./document.ts";
import { hostileBody } from "./hostile-body.ts";
import { hostileText, MARKER, type Schemas, valueOf } from "./hostile-value.ts";
import type { RawRequest } from "./raw-http.ts";
import { type Offered, soundRequest } from "./sound-request.ts";

export interface HostileRequest extends RawRequest {
  readonly operationId: string;
  /** What was changed in it, for the report of a failure. */
  readonly twists: readonly string[];
  /** Whether it is invalid HTTP or cut off. A server may then close the connection, or refuse before the Worker sees it. */
  readonly isBroken: boolean;
  /** Frames that are sent on a socket instead, if set. */
  readonly frames?: readonly (string | Uint8Array<ArrayBuffer>)[];
}

export interface Surroundings {
  readonly offers: readonly Offered[];
  readonly schemas: Schemas;
  readonly seed: number;
  readonly apiKey: string;
  /** Null: operators' operations are tried with the API key only. */
  readonly adminKey: string | null;
  /** If set, all requests are made by these end users. */
  readonly userTokens?: readonly string[];
}

const SESSIONS = 12;
const METHODS = ["HEAD", "OPTIONS", "PUT", "TRACE", "PROPFIND", "get", "DELETE", "POST", "PATCH", "GET"];
/** Sessions of each user: enough that one can be forked or continued into another. */
const USER_SESSIONS = 3;
/** The share of a user's requests that are specific to users. */
const USER_SHARE = 0.5;
const SOUND_SHARE = 0.25;
const APPEND_SHARE = 0.1;
/** A prime, so that the choices for neighbouring seeds and numbers have little in common. */
const SEED_STEP = 1_000_003;

export function makeRequest(around: Surroundings, place: number): HostileRequest {
  const dice = new Dice(around.seed * SEED_STEP + place);
  const token = around.userTokens === undefined ? null : dice.pick(around.userTokens);
  if (token !== null && dice.chance(USER_SHARE)) {
    const step = userStep(sessionsOf(around), dice);
    const headers = [["Authorization", `Bearer ${token}`] as const, ...step.headers];
    return { ...step, headers, twists: [], isBroken: step.cutOff !== undefined };
  }
  const isSound = dice.chance(SOUND_SHARE);
  const offer = pickOffer(around.offers, dice);
  const { operation } = offer;
  const isAdmin = offer.path.startsWith("/v1/admin/");
  const twists: string[] = [];
  const headers: [string, string][] = [];
  const key = token ?? operatorsOrTenants(around, isAdmin, dice);
  if (token === null && !isAdmin) headers.push(["Threadkeep-User", `fuzzer-${around.seed}`]);
  if (isSound || dice.chance(0.97)) headers.push(["Authorization", `Bearer ${key}`]);
  else if (dice.chance(0.5))
    headers.push(["Authorization", dice.pick(["Bearer", "Bearer  x y", `Basic ${MARKER}`, "a"])]);
  if (isSound) return soundOne(offer, around, headers, dice);
  const twisted = dice.chance(0.25) ? twistHeaders(dice) : { headers: [], isBroken: false };
  headers.push(...twisted.headers);
  if (twisted.headers.length > 0) twists.push("headers");
  let path = pathOf(offer, around, dice);
  if (dice.chance(0.08)) {
    path = twistPath(path, dice);
    twists.push("path");
  }
  path += queryOf(operation.parameters ?? [], dice, around.schemas);
  let { method } = offer;
  if (dice.chance(0.05)) {
    method = dice.pick(METHODS);
    twists.push("method");
  }
  const body = hostileBody(operation, around.schemas, dice);
  for (const header of body?.headers ?? []) headers.push([header[0], header[1]]);
  const way = operation.operationId === "followSession" ? waysToFollow(dice) : { headers: [], isBroken: false };
  headers.push(...way.headers);
  const isNoHandshake = method !== "GET" && way.headers.some(([name]) => name === "Upgrade");
  return {
    operationId: operation.operationId,
    method,
    path,
    headers,
    twists,
    isBroken:
      isNoHandshake ||
      twisted.isBroken ||
      way.isBroken ||
      body?.cutOff !== undefined ||
      method === "get" ||
      !path.startsWith("/"),
    ...(body === undefined ? {} : { body: body.bytes }),
    ...(body?.cutOff === undefined ? {} : { cutOff: body.cutOff }),
    ...(body?.isChunked === undefined ? {} : { isChunked: body.isChunked }),
  };
}

/** Messages are created first, because most requests on an empty session find nothing that could go wrong. */
function pickOffer(offers: readonly Offered[], dice: Dice): Offered {
  const append = offers.find(({ operation }) => operation.operationId === "appendMessages");
  return append !== undefined && dice.chance(APPEND_SHARE) ? append : dice.pick(offers);
}

function soundOne(offer: Offered, around: Surroundings, headers: [string, string][], dice: Dice): HostileRequest {
  const { operationId } = offer.operation;
  const { method, path, headers: own, body } = soundRequest(offer, soundValues(offer, around, dice));
  return {
    operationId,
    method,
    path,
    headers: [...headers, ...Object.entries(own)],
    twists: [],
    isBroken: false,
    ...(body === undefined ? {} : { body: Buffer.from(body.replace(/"waitMs":\d+/, '"waitMs":0')) }),
  };
}

function operatorsOrTenants({ apiKey, adminKey }: Surroundings, isAdmin: boolean, dice: Dice): string {
  return isAdmin && adminKey !== null && dice.chance(0.8) ? adminKey : apiKey;
}

function sessionsOf({ seed, userTokens }: Surroundings): string[] {
  const count = userTokens === undefined ? SESSIONS : USER_SESSIONS;
  return Array.from({ length: count }, (_, at) => `fuzz-${seed}-${at}`);
}

function soundValues({ path }: Offered, around: Surroundings, dice: Dice): Record<string, string> {
  const { seed } = around;
  // Nobody can see the session of an incomplete import, so imports use other sessions than the chats.
  const isImport = path.includes("/imports");
  return {
    sessionId: isImport ? `fuzz-${seed}-import` : dice.pick(sessionsOf(around)),
    // The example of the document starts an import.
    importId: dice.pick(["move-7", "move-7", "move-7", "nowhere"]),
    afterLine: dice.pick(["1", "1", "2", "3"]),
    messageId: dice.pick(["turn-61", "turn-62", "m-1"]),
    // Everything is refused for an erased user, so the erased user is one who does nothing else here.
    userId: dice.pick(["fuzzed-1", "fuzzed-2", "-"]),
    version: dice.pick(["1", "2"]),
    tenant: `fuzz-${seed}`,
    keyId: "7Qm2xVb9LcTa",
    jobId: `fuzz-${seed}`,
    reason: "fuzzed",
    runId: dice.pick(["rebuild-acme-1", "nowhere"]),
  };
}

/** The path with its parameters, mostly valid ones: a request that is refused for its path never reaches the rest. */
function pathOf(offer: Offered, around: Surroundings, dice: Dice): string {
  const sound = soundValues(offer, around, dice);
  return offer.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (dice.chance(0.1)) return hostileSegment(dice);
    if (name === "version" && dice.chance(0.5)) return dice.pick(["0", "-1", "1e3", "9".repeat(20)]);
    return sound[name] ?? hostileSegment(dice);
  });
}

const SEGMENTS = [
  "..",
  ".",
  "%2e%2e",
  "%2f",
  "a%2Fb",
  "%00",
  "%",
  "%zz",
  "%ff%fe",
  "%F0%9F%98%80",
  "",
  "-",
  "__proto__",
  "a;b",
  "*",
];

function hostileSegment(dice: Dice): string {
  if (dice.chance(0.5)) return dice.pick(SEGMENTS);
  if (dice.chance(0.4)) return "i".repeat(dice.pick([127, 128, 129, 1_000, 8_000, 60_000]));
  return encodeURIComponent(hostileText(dice).toWellFormed()).slice(0, 60_000);
}

function twistPath(path: string, dice: Dice): string {
  const twists = [
    `/${path}`,
    `${path}/`,
    path.replaceAll("/", "//"),
    `${path}%00`,
    `/v1/..${path}`,
    `/v1/%2e%2e${path}`,
    path.toUpperCase(),
    path.replace("/v1", "/v2"),
    `${path};a=b`,
    `${path}#x`,
    path.replaceAll("s", "%73"),
    `http://example.test${path}`,
    "*",
    "/",
  ];
  return dice.pick(twists);
}

function queryOf(parameters: readonly Parameter[], dice: Dice, schemas: Schemas): string {
  const pairs = parameters
    .filter((parameter) => parameter.in === "query" && dice.chance(0.35))
    .map(({ name, schema }) => `${encodeURIComponent(name)}=${queryValue(schema, schemas, dice)}`);
  if (pairs.length > 0 && dice.chance(0.1)) pairs.push(pairs[0] ?? "");
  if (dice.chance(0.06))
    pairs.push(dice.pick(["x=1", "=", "&&", "%", "__proto__=1", "a[]=1", "metadata.=", `q=${"z".repeat(9_000)}`]));
  return pairs.length === 0 ? "" : `?${pairs.join("&")}`;
}

function queryValue(schema: JsonSchema, schemas: Schemas, dice: Dice): string {
  const value = dice.chance(0.6) ? valueOf(schema, schemas, dice, 5) : hostileText(dice);
  const text = typeof value === "object" ? dice.pick(["[]", "{}"]) : String(value);
  return dice.chance(0.05)
    ? dice.pick(["%zz", "%00", "%ff", "+", ""])
    : encodeURIComponent(text.slice(0, 5_000).toWellFormed());
}

/** One line of ASCII. Whatever else a header may contain is tried by the broken requests. */
const headerText = (dice: Dice): string =>
  hostileText(dice)
    .replaceAll(/[^\x20-\x7e]/g, "?")
    .slice(0, 4_000);

function twistHeaders(dice: Dice): { headers: [string, string][]; isBroken: boolean } {
  const well: [string, string][][] = [
    [["X-Request-Id", headerText(dice)]],
    [["Threadkeep-User", headerText(dice)]],
    [["Idempotency-Key", headerText(dice)]],
    [["If-None-Match", dice.pick(["*", '"', 'W/"a"', '"a", "b"', "x".repeat(4_000)])]],
    [["Last-Event-ID", dice.pick(["0", "-1", "1e9", "9".repeat(30), "\u00e9"])]],
    [["Accept", dice.pick(["text/event-stream", "image/*;q=nope", "x".repeat(3_000)])]],
    [["Range", "bytes=0-0,1-"]],
    [["Origin", dice.pick(["null", "https://evil.test", "x"])]],
    [["X-HTTP-Method-Override", "DELETE"]],
    [
      ["X-Forwarded-For", "127.0.0.1"],
      ["CF-Connecting-IP", "1.2.3.4"],
    ],
    [["X-Filler", "f".repeat(dice.pick([1_000, 7_000]))]],
    [["Cookie", `a=${MARKER}`]],
    [["Authorization", `Bearer ${MARKER.replaceAll(" ", ".")}`]],
  ];
  const broken: [string, string][][] = [
    [
      ["Content-Length", "5"],
      ["Content-Length", "6"],
    ],
    [["Content-Length", dice.pick(["-1", "1e9", "x", "99999999999999999999"])]],
    [["Transfer-Encoding", dice.pick(["gzip, chunked", "x", "chunked, chunked"])]],
    [
      ["Transfer-Encoding", "chunked"],
      ["Content-Length", "3"],
    ],
    [["X-Filler", "f".repeat(dice.pick([70_000, 300_000]))]],
    [["Host", dice.pick(["evil.test", "", "a b", "127.0.0.1:99999999"])]],
    [["Expect", "100-continue"]],
    [["Bad Name", "x"]],
    [["X-Bytes", "\u00ff\u0000\u0001"]],
    [
      ["Upgrade", "h2c"],
      ["Connection", "Upgrade, HTTP2-Settings"],
      ["HTTP2-Settings", "x"],
    ],
  ];
  return dice.chance(0.8)
    ? { headers: dice.pick(well), isBroken: false }
    : { headers: dice.pick(broken), isBroken: true };
}

/** The runtime refuses an invalid handshake before the Worker's answer goes out. */
function waysToFollow(dice: Dice): { headers: [string, string][]; isBroken: boolean } {
  const upgrade = (version: string, key: string): [string, string][] => [
    ["Connection", "Upgrade"],
    ["Upgrade", dice.pick(["websocket", "WebSocket"])],
    ["Sec-WebSocket-Version", version],
    ["Sec-WebSocket-Key", key],
  ];
  const key = "dGhlIHNhbXBsZSBub25jZQ==";
  return dice.pick([
    { headers: [], isBroken: false },
    { headers: [["Accept", "text/event-stream"]], isBroken: false },
    { headers: upgrade("13", key), isBroken: false },
    { headers: upgrade(dice.pick(["8", "x"]), key), isBroken: true },
    { headers: upgrade("13", "short"), isBroken: true },
    { headers: upgrade("13", key).slice(0, 2), isBroken: true },
  ]);
}
