import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { request as requestSecurely } from "node:https";
import { describe, expect, it } from "vitest";
import { call, sharedService } from "../support/service.ts";

const service = sharedService();
const EXPLORER = "/cdn-cgi/local/explorer/api";
const NAMESPACES = `${EXPLORER}/workers/durable_objects/namespaces`;
const TRIGGER = `${EXPLORER}/workflows/threadkeep-operations/instances`;
const ERASE = JSON.stringify({ params: { op: "erase-user", tenant: "local", user: "victim" } });

/** The ports on which the service's processes listen, as Linux reports them. */
function listeningPorts(): number[] {
  const { pids }: { pids: Record<string, number> } = JSON.parse(readFileSync(`${service.stateDir}/dev.json`, "utf8"));
  const ports = new Map<string, number>();
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    if (state === "0A") ports.set(`socket:[${inode}]`, Number.parseInt(local.split(":")[1] ?? "", 16));
  }
  const found = Object.entries(pids)
    .filter(([role]) => role === "worker" || role === "runtime")
    .flatMap(([, pid]) => readdirSync(`/proc/${pid}/fd`).flatMap((fd) => linkOf(`/proc/${pid}/fd/${fd}`)))
    .flatMap((link) => ports.get(link) ?? []);
  return [...new Set(found)];
}

function linkOf(place: string): string[] {
  try {
    return [readlinkSync(place)];
  } catch {
    return []; // It was closed meanwhile.
  }
}

/** The status over http, or over https with any certificate; null if nothing answers there. */
async function statuses(
  port: number,
  path: string,
  method: string,
  headers: Record<string, string>,
): Promise<number[]> {
  const body = method === "POST" ? ERASE : undefined;
  const plain = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  })
    .then(async (answer) => {
      await answer.arrayBuffer();
      return [answer.status];
    })
    .catch(() => []);
  const secure = await new Promise<number[]>((resolve) => {
    const sent = requestSecurely(
      { host: "127.0.0.1", port, path, method, headers, rejectUnauthorized: false },
      (answer) => {
        answer.resume();
        resolve([answer.statusCode ?? 0]);
      },
    );
    sent.once("error", () => resolve([]));
    sent.end(body);
  });
  return [...plain, ...secure];
}

describe("a local service", () => {
  it.runIf(process.platform === "linux")(
    "offers no explorer, SQL, Workflow or cron without the admin key, on any of its ports",
    async () => {
      const ports = listeningPorts();
      expect(ports).toContain(Number(new URL(service.url).port));
      for (const port of ports) {
        for (const [path, method] of [
          ["/cdn-cgi/local/explorer", "GET"],
          [NAMESPACES, "GET"],
          [`${NAMESPACES}/x/query`, "POST"],
          [TRIGGER, "GET"],
          [TRIGGER, "POST"],
          ["/cdn-cgi/local/scheduled?cron=*+*+*+*+*", "GET"],
          ["/cdn-cgi/local/email", "POST"],
          ["/cdn-cgi/local/platform-proxy", "POST"],
        ] as const) {
          for (const headers of [
            {},
            { origin: "http://localhost:3000" },
            { "mf-original-url": `http://localhost${path}` },
          ]) {
            const found = await statuses(port, path, method, headers);
            // A port that was closed since may belong to another test's server now.
            if (found.some((status) => status < 400) && !listeningPorts().includes(port)) continue;
            expect(
              found.filter((status) => status < 400),
              `${method} ${path} on ${port} with ${JSON.stringify(headers)}`,
            ).toEqual([]);
          }
        }
      }
      const erasure = await call(service, "GET", "/v1/users/victim/erasure");
      expect(erasure.status).toBe(404);
    },
  );

  it("does not obey the simulator's own headers", async () => {
    const headers = { "mf-original-url": "http://evil.example/livez", "mf-route-override": "another" };
    expect((await call(service, "GET", "/v1/sessions", { headers })).status).toBe(200);
    expect((await call(service, "GET", "/v1/sessions", { headers, key: null })).status).toBe(401);
  });

  it("runs a cron by hand only for the admin key, and not for a page that has it", async () => {
    const path = "/cdn-cgi/local/scheduled?cron=*+*+*+*+*";
    const key = { authorization: `Bearer ${service.adminKey}` };
    for (const headers of [{ origin: "http://localhost:3000" }, { referer: "http://localhost:3000/" }]) {
      expect((await fetch(service.url + path, { headers: { ...headers, ...key } })).status).toBe(403);
    }
    expect((await fetch(service.url + path)).status).toBe(401);
    expect((await fetch(service.url + path, { headers: key })).status).toBe(200);
  });
});
