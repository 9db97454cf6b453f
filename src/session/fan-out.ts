import { DurableObject } from "cloudflare:workers";
import { type Fault, ThreadkeepError, unwrap } from "../api/errors.ts";
import { faultOf } from "../api/problem.ts";
import { jurisdictionSchema } from "../api/tenant.ts";
import { createJurisdictions } from "../lib/jurisdiction.ts";
import { createLog } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { createSessionClient, type SessionObject } from "./client.ts";
import {
  attempt,
  type FollowedSession,
  type LiveEnv,
  LiveFeed,
  type MeaningOf,
  type News,
  parseAttachment,
  readOpening,
  ToldFeed,
  writeRefusal,
} from "./live/index.ts";
import { UNKNOWN_SESSION } from "./unit.ts";

/**
 * How often an object with sockets asks the session's object for the end of the feed, in ms. Normally it is told of each
 * change; asking makes good what a session's object could not tell, because it broke down between a commit and the call.
 */
const CHECK_EVERY_MS = 60_000;

const log = createLog();
const inJurisdiction = createJurisdictions(log);

/** The part of the environment that a fan-out object uses. */
export interface FanOutEnv extends LiveEnv {
  readonly CHAT_SESSION: DurableObjectNamespace;
}

/**
 * Keeps sockets of one session that has more of them than its own object keeps, and copies each event to them. Nothing
 * is stored in it except what the runtime keeps with each socket. The session's object checks who opens a socket and
 * answers the frames; this object counts frames, checks keys again and closes sockets, as the session's object does for
 * its own.
 */
export class FanOut extends DurableObject<FanOutEnv> {
  readonly #feed: ToldFeed;
  readonly #live: LiveFeed;
  /** The session, and which of its fan-out objects this is; null while that is not known. */
  #place: { readonly session: FollowedSession; readonly fanOut: number } | null = null;
  /** The epoch in which the session's object tells this one of changes; null if it does not, as far as known. */
  #followedEpoch: string | null = null;
  #following: Promise<void> | null = null;
  /** Sockets that are being opened. While there are some, this object must not be forgotten. */
  #opening = 0;
  /** How often the session's object was told that this object has no sockets. */
  #leaves = 0;
  #isAlarmSet = false;

  /** @param meaningOf how vectors of queries in frames are requested; null if embeddings are off */
  constructor(ctx: DurableObjectState, env: FanOutEnv, meaningOf: () => MeaningOf | null) {
    super(ctx, env);
    this.#feed = new ToldFeed(
      (epoch, after) => attempt(() => this.#session().readFeedPage(epoch, after)),
      () => this.#live.sockets.deliver(),
      (after, error) => {
        log.error("feed_page_missing", errorFields(error));
        this.#live.sockets.breakOff(after);
      },
    );
    const attachments = ctx.getWebSockets().flatMap((socket) => parseAttachment(socket.deserializeAttachment()) ?? []);
    this.#feed.recall(attachments);
    const session = this.#feed.session();
    const fanOut = attachments.find(({ followed }) => followed !== undefined)?.followed?.fanOut;
    if (session !== null && fanOut !== undefined) {
      this.#place = { session, fanOut };
      this.#followedEpoch = session.epoch;
    }
    this.#live = new LiveFeed(ctx, () => this.env, this.#feed, {
      serve: async (frame, { scopes, by, isUser, trace }, isByMeaning) => {
        const sender = { scopes, by, isUser, ...(trace === undefined ? {} : { trace }) };
        return unwrap(await this.#session().serveFrame(this.#epoch(), frame, sender, isByMeaning));
      },
      read: async (sought, meaning) => this.#session().readSought(this.#epoch(), sought, meaning),
      meaningOf,
    });
  }

  /** Opens a socket that the session's object has admitted. Only code of this service can call it. */
  override async fetch(request: Request): Promise<Response> {
    const opening = readOpening(request);
    const admission = opening?.admission;
    if (opening === null || admission === undefined) return new Response(null, { status: 404 });
    const { told, fanOut, from, keyCheckedAt } = admission;
    this.#opening += 1;
    try {
      this.#place = { session: told.session, fanOut };
      if (this.#followedEpoch !== told.session.epoch) await this.#follow();
      this.#feed.take(told);
      const session = this.#feed.session();
      if (session?.epoch !== told.session.epoch || session.state !== "open") return writeRefusal(UNKNOWN_SESSION);
      await this.#setAlarm();
      return this.#live.sockets.open(opening, keyCheckedAt, { session, from, fanOut });
    } catch (error) {
      const fault = faultOf(error);
      if (fault.code !== "internal") return writeRefusal(fault);
      log.error("fan_out_not_opened", errorFields(error));
      return writeRefusal(UNREACHED);
    } finally {
      this.#opening -= 1;
    }
  }

  /** The session's object tells of a change. @returns how many sockets there are; 0: it need not tell of further ones */
  async tell({ page, ...told }: News): Promise<number> {
    this.#feed.take(told, page);
    const sockets = this.#count();
    if (sockets === 0) {
      this.#leaves += 1;
      this.#followedEpoch = null;
    }
    return sockets;
  }

  /** How many sockets it has. */
  async count(): Promise<number> {
    return this.#count();
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    await this.#live.message(socket, data);
  }

  override async webSocketClose(socket: WebSocket, code: number): Promise<void> {
    this.#live.close(socket, code);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#live.fail(socket);
  }

  override async alarm(): Promise<void> {
    this.#isAlarmSet = false;
    if (this.#live.sockets.count === 0) return;
    // First of all: an alarm whose work fails would otherwise be the last.
    await this.#setAlarm();
    try {
      await this.#follow();
      this.#live.sockets.deliver();
    } catch (error) {
      log.warn("fan_out_not_checked", errorFields(error));
    }
  }

  #count(): number {
    return this.#live.sockets.count + this.#opening;
  }

  /** Asks to be told of changes, and takes where the feed is. */
  #follow(): Promise<void> {
    this.#following ??= this.#askToFollow().finally(() => {
      this.#following = null;
    });
    return this.#following;
  }

  async #askToFollow(): Promise<void> {
    const place = this.#place;
    if (place === null) return;
    const leaves = this.#leaves;
    const told = await attempt(() => this.#session().followForFanOut(place.fanOut));
    const isTold = told?.session.state === "open" && leaves === this.#leaves;
    this.#followedEpoch = isTold ? told.session.epoch : null;
    this.#feed.take(told);
  }

  async #setAlarm(): Promise<void> {
    if (this.#isAlarmSet) return;
    this.#isAlarmSet = true;
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(Date.now() + CHECK_EVERY_MS);
  }

  #epoch(): string {
    const { epoch } = this.#feed.session() ?? {};
    if (epoch === undefined) throw new ThreadkeepError(UNKNOWN_SESSION);
    return epoch;
  }

  #session(): SessionObject {
    if (this.#place === null) throw new Error("a fan-out object without sockets does not know its session");
    const { data: place } = jurisdictionSchema.safeParse(this.ctx.id.jurisdiction);
    const objects = place === undefined ? this.env.CHAT_SESSION : inJurisdiction(this.env.CHAT_SESSION, place);
    return createSessionClient(objects).get(this.#place.session);
  }
}

const UNREACHED: Fault = {
  code: "internal",
  detail: "The session could not be reached to follow it. Connect again with `since`.",
};
