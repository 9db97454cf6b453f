// A connection to a local server with a delay: what the server sends arrives later, in order.
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { LOOPBACK } from "../../scripts/dev/ports.ts";

export interface SlowWire {
  readonly port: number;
  /** Sets the delay from now on. */
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
      // If one side of a connection breaks, the other side is closed.
      socket.on("error", () => undefined);
    }
    near.on("data", (chunk) => far.write(chunk));
    // Each timer passes on the oldest waiting data, so that nothing is overtaken when the delay changes.
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
