import { connect, createServer } from "node:net";

export const LOOPBACK = "127.0.0.1";

/** A port that nothing listens on just now; the caller must be ready to lose the race for it. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, LOOPBACK, () => {
      const address = server.address();
      server.close(() => {
        if (address === null || typeof address === "string") reject(new Error("The system gave no port"));
        else resolve(address.port);
      });
    });
  });
}

/** Asks both ways: macOS lets one bind 127.0.0.1 beside a listener on all addresses, and a bind fails on a closing port. */
export async function isPortFree(port: number): Promise<boolean> {
  return !(await doesAnyoneAnswer(port)) && (await canListen(port));
}

function doesAnyoneAnswer(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: LOOPBACK });
    const finish = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.once("connect", () => finish(true));
    socket.once("error", () => finish(false));
    socket.setTimeout(1_000, () => finish(true));
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, LOOPBACK, () => server.close(() => resolve(true)));
  });
}
