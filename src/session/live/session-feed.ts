import type { RenderedContext } from "../../api/context.ts";
import type { QueryMeaning } from "../../api/embedding.ts";
import { type Fault, type Outcome, ThreadkeepError } from "../../api/errors.ts";
import type { Rev } from "../../api/live.ts";
import type { TicketClaim } from "../../api/principal.ts";
import { createLog } from "../../telemetry/log.ts";
import { CERTAIN_MS } from "../../tenant/key-client.ts";
import { applyTenantSettings } from "../log/index.ts";
import type { Transactions } from "../transactions.ts";
import { type Unit, UNKNOWN_SESSION } from "../unit.ts";
import { checkKeys, keyOf } from "./credentials.ts";
import { type FanOutCalls, FanOuts } from "./fan-outs.ts";
import { type LiveEnv, LiveFeed } from "./feed.ts";
import type { ToldPage } from "./followed.ts";
import { type LiveOpening, readOpening, writeAdmission, writeRefusal } from "./opening.ts";
import { OwnFeed } from "./own-feed.ts";
import { resumeAt } from "./read-feed.ts";
import { TOO_MANY_SOCKETS } from "./refusals.ts";
import { type FrameSender, type LiveCalls, type RequestFrame, serveFrame } from "./serve-frame.ts";
import { type MeaningOf, readSought, type Served, type SoughtContext } from "./sought-context.ts";
import type { Told } from "./told.ts";

const log = createLog();

/** How long ago, at most, the Worker verified the key of the request that opens a socket, in ms. */
const KEY_SHOWN_AGO_MS = CERTAIN_MS;

/** The live feed as the session's own object serves it: to its own sockets, and to fan-out objects with more sockets. */
export class SessionFeed {
  readonly live: LiveFeed;
  readonly #calls: Transactions;
  readonly #session: LiveCalls;
  readonly #feed: OwnFeed;
  readonly #fanOuts: FanOuts;

  constructor(
    ctx: DurableObjectState,
    env: () => LiveEnv,
    calls: Transactions,
    session: LiveCalls,
    { fanOutOf, meaningOf }: { fanOutOf: (fanOut: number) => FanOutCalls; meaningOf: () => MeaningOf | null },
  ) {
    this.#calls = calls;
    this.#session = session;
    this.#feed = new OwnFeed(calls);
    this.live = new LiveFeed(ctx, env, this.#feed, {
      serve: (frame, sender, isByMeaning) => serveFrame(calls, session, frame, sender, isByMeaning),
      read: (sought, meaning) => readSought(calls, session, sought, meaning),
      meaningOf,
    });
    this.#fanOuts = new FanOuts(calls, this.#feed, fanOutOf, (work) => ctx.waitUntil(work));
    calls.onCommit(() => {
      this.live.sockets.deliver();
      this.#fanOuts.tell();
    });
  }

  /**
   * Opens a socket. Only the Worker can call this: see `writeOpening`.
   * @returns the socket with status 101; or which fan-out object is to keep it; or a refusal with status 409, whose body
   * is the fault
   */
  async open(request: Request): Promise<Response> {
    const opening = readOpening(request);
    if (opening === null) return new Response(null, { status: 404 });
    const known = this.#calls.read((unit) => unit.requireSession());
    if (!known.ok) return writeRefusal(known.fault);
    const { sockets } = this.live;
    // Before the ticket is used up: who is refused because all places are taken can use it later.
    let fanOut = sockets.isFull ? await this.#fanOuts.choose() : null;
    if (fanOut === null && sockets.isFull) return writeRefusal(TOO_MANY_SOCKETS);
    const admitted = this.#admit(opening);
    if (!admitted.ok) return writeRefusal(admitted.fault);
    const key = keyOf(opening);
    const now = Date.now();
    // The key that issued a ticket may have been revoked since, so it is checked now. Only once, since the ticket is
    // used up by now.
    const { isGood, checkedAt } =
      key === null || opening.ticket === null
        ? { isGood: () => true, checkedAt: now - KEY_SHOWN_AGO_MS }
        : await checkKeys(this.live.checkKeys, admitted.value, [key], log);
    if (key !== null && !isGood(key)) return writeRefusal(SPENT_TICKET);
    // Others may have taken the last place meanwhile.
    if (fanOut === null && sockets.isFull) fanOut = await this.#fanOuts.choose();
    const opened = this.#calls.read((unit) => {
      unit.requireSession();
      const told = this.#feed.told();
      if (told === null) throw new ThreadkeepError(UNKNOWN_SESSION);
      const from = opening.since === null ? told.head.rev : resumeAt(unit, opening.since);
      if (fanOut !== null) return writeAdmission({ fanOut, told, from, keyCheckedAt: checkedAt });
      return sockets.open(opening, checkedAt, { session: told.session, from, fanOut: null });
    });
    return opened.ok ? opened.value : writeRefusal(opened.fault);
  }

  /** Uses up the ticket of an opening, if it has one. Returns the tenant. */
  #admit(opening: LiveOpening): Outcome<string> {
    const tenant = opening.tenant ?? undefined;
    return this.#calls.read((unit) => {
      const { row } = unit;
      unit.requireSession();
      const { ticket } = opening;
      const isNews = tenant !== undefined && row !== null && tenant.rev > row.tenantRev;
      if (ticket !== null || isNews) {
        this.#calls.change((changing) => {
          if (ticket !== null) takeTicket(changing, ticket);
          applyTenantSettings(changing);
        }, tenant);
      }
      return unit.session.tenant;
    });
  }

  // What fan-out objects call

  /** See `FanOuts.follow`. */
  follow(fanOut: number): Told | null {
    return this.#fanOuts.follow(fanOut);
  }

  /** The next events after a rev; null if the object holds no session. */
  page(epoch: string, after: Rev): ToldPage | null {
    const told = this.#feed.told();
    if (told === null) return null;
    const isOpen = told.session.state === "open" && told.session.epoch === epoch;
    return { ...told, page: isOpen ? this.#feed.page(after) : null };
  }

  /** Serves a frame that a fan-out object received. All checks of the sender's rights are made here. */
  async serveFrame(
    epoch: string,
    frame: RequestFrame,
    sender: FrameSender,
    isByMeaning: boolean,
  ): Promise<Outcome<Served>> {
    return this.#inEpoch(epoch, async () => {
      return { ok: true, value: await serveFrame(this.#calls, this.#session, frame, sender, isByMeaning) };
    });
  }

  /** Reads a context that a frame's sender waits for. */
  async readSought(epoch: string, sought: SoughtContext, meaning: QueryMeaning): Promise<Outcome<RenderedContext>> {
    return this.#inEpoch(epoch, () => readSought(this.#calls, this.#session, sought, meaning));
  }

  /** Refuses what a fan-out object asks for in an earlier epoch. A refusal travels as an outcome. */
  async #inEpoch<T>(epoch: string, body: () => Promise<Outcome<T>>): Promise<Outcome<T>> {
    const known = this.#calls.read((unit) => {
      if (unit.requireSession().epoch !== epoch) throw new ThreadkeepError(UNKNOWN_SESSION);
    });
    if (!known.ok) return known;
    try {
      return await body();
    } catch (error) {
      if (error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
      throw error;
    }
  }
}

/**
 * Uses up a ticket.
 * @throws ThreadkeepError `unauthenticated` if it was used before, has expired, or is of another epoch
 */
function takeTicket({ store, session, now }: Unit, { id, epoch, expiresAt }: TicketClaim): void {
  const { feed } = store;
  if (expiresAt <= now || epoch !== session.epoch || feed.isTicketUsed(id)) throw new ThreadkeepError(SPENT_TICKET);
  feed.useTicket(id, expiresAt, now);
}

const SPENT_TICKET: Fault = {
  code: "unauthenticated",
  detail:
    "The ticket was used before, has expired, belongs to an earlier session with this id, or was issued by a key that has been revoked. Request a new one: POST /v1/sessions/{id}/tickets.",
};
