// A wire to a server on this machine that takes its time: what the server says arrives so much later, in order.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { LOOPBACK } from "../../scripts/dev/ports.ts";

export interface SlowWire {
  readonly port: number;
  /** From now on. */
  delay(ms: number): void;
  close(): Promise<void>;
}

export async function startSlowWire(serverPort: number): Promise<SlowWire> {
  let delayMs = 0;
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(serverPort, LOOPBACK);
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.once("close", () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
      // A connection that breaks closes, and its other half with it.
      socket.on("error", () => undefined);
    }
    near.on("data", (chunk) => far.write(chunk));
    // Each timer passes on what came first, so that nothing overtakes when the delay changes.
    const waiting: Buffer[] = [];
    far.on("data", (chunk) => {
      waiting.push(chunk);
      setTimeout(() => near.write(waiting.shift() ?? ""), delayMs);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, LOOPBACK, resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    port: address.port,
    delay(ms) {
      delayMs = ms;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
  };
}
