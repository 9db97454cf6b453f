// A client of a live feed that checks that it receives each event once, in order, whatever happens in between.
import { type FrameSocket, openFrameSocket } from "./frame-socket.ts";

export interface Place {
  readonly url: string;
  readonly apiKey: string;
  readonly session: string;
  /** The user that the application acts for; omit it to act for the tenant itself. */
  readonly user?: string;
}

/** The fields of a frame that are read here. */
interface Frame {
  readonly type: string;
  readonly rev?: number;
  readonly since?: number;
  readonly reset?: boolean;
  readonly error?: { readonly code: string; readonly detail: string };
  readonly message?: { readonly content?: unknown };
}

/** It acknowledges after this many events, as an application would, well before the feed pauses. */
const ACKNOWLEDGE_EVERY = 32;

export class Follower {
  /** The `rev` of the last event; 0 before the first. */
  known = 0;
  /** Events received, over all connections. */
  count = 0;
  connections = 0;
  /** The first violation. */
  fault: string | null = null;
  readonly #onEvent: (content: unknown, at: number) => void;
  readonly #beginsNow: boolean;
  #socket: FrameSocket | null = null;
  #unacknowledged = 0;

  /** @param beginsNow whether events from before the first connection are skipped */
  constructor(onEvent: (content: unknown, at: number) => void = () => undefined, beginsNow = false) {
    this.#onEvent = onEvent;
    this.#beginsNow = beginsNow;
  }

  get isConnected(): boolean {
    return this.#socket !== null;
  }

  /** Resolves with true after hello; with false if there was no connection, as while the service restarts. */
  async connect(place: Place): Promise<boolean> {
    const since = this.#beginsNow && this.connections === 0 ? "" : `?since=${this.known}`;
    const url = `${place.url}/v1/sessions/${place.session}/live${since}`;
    this.connections += 1;
    return new Promise((resolve) => {
      const socket = openFrameSocket(
        url,
        {
          authorization: `Bearer ${place.apiKey}`,
          ...(place.user === undefined ? {} : { "threadkeep-user": place.user }),
        },
        {
          onText: (text) => {
            const at = performance.now();
            const frame: Frame = JSON.parse(text);
            if (frame.type !== "hello") this.#take(socket, frame, at);
            else {
              this.#greeted(frame);
              resolve(true);
            }
          },
          onEnd: () => {
            if (this.#socket === socket) this.#socket = null;
            resolve(false);
          },
        },
      );
      this.#socket = socket;
    });
  }

  /** Disconnects, whatever is being received. */
  drop(): void {
    this.#socket?.drop();
    this.#socket = null;
  }

  #greeted({ since = 0, reset }: Frame): void {
    if (reset === true) this.#note(`was told to start over after ${this.count} events`);
    else if (this.known !== 0 && since !== this.known)
      this.#note(`resumed after ${this.known}, and the feed began after ${since}`);
    this.known = since;
  }

  #take(socket: FrameSocket, { type, rev, error, message }: Frame, at: number): void {
    if (rev === undefined) {
      this.#note(error === undefined ? `received a frame of the type ${type}` : `${error.code}: ${error.detail}`);
      return;
    }
    if (rev !== this.known + 1) this.#note(`received ${rev} after ${this.known}`);
    this.known = rev;
    this.count += 1;
    this.#unacknowledged += 1;
    if (this.#unacknowledged >= ACKNOWLEDGE_EVERY) {
      this.#unacknowledged = 0;
      socket.send(JSON.stringify({ type: "ack", rev }));
    }
    this.#onEvent(message?.content, at);
  }

  #note(fault: string): void {
    this.fault ??= fault;
  }
}
