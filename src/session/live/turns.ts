import { MAX_WAITING_FRAME_BYTES } from "../../api/limits.ts";
import { createLog } from "../../telemetry/log.ts";
import { errorFields } from "../../telemetry/redact.ts";

const log = createLog();

/** The part of a frame's work that may wait for something else, and that later frames of the socket overtake. */
export type Later = () => Promise<void>;

/** Serves the frames of each socket in the order in which they arrive. */
export class Turns {
  /** For each socket: resolves once every frame so far has had its turn. Never rejects. */
  readonly #last = new WeakMap<WebSocket, Promise<void>>();
  /** Bytes of the frames that are not answered yet, on all sockets. */
  #waitingBytes = 0;

  /**
   * Whether one more frame may wait. Each is held in memory until it is answered, so a flood of large frames would fill
   * the object's memory.
   */
  hasRoom(length: number): boolean {
    return this.#waitingBytes === 0 || this.#waitingBytes + length <= MAX_WAITING_FRAME_BYTES;
  }

  /**
   * Serves a frame after all earlier ones of its socket, however long they take.
   * @param serve returns what is left to do once the next frame may have its turn; null if that is nothing
   * @returns a promise that resolves once all of it is done. Never rejects
   */
  async take(socket: WebSocket, length: number, serve: () => Promise<Later | null>): Promise<void> {
    const before = this.#last.get(socket);
    this.#waitingBytes += length;
    const served = (async () => {
      await before;
      return serve();
    })();
    this.#last.set(
      socket,
      served.then(
        () => undefined,
        () => undefined,
      ),
    );
    try {
      const later = await served;
      await later?.();
    } catch (error) {
      log.error("frame_failed", errorFields(error));
    } finally {
      this.#waitingBytes -= length;
    }
  }
}
