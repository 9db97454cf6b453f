import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { MCP_ROUTE } from "../../src/mcp/protected-resource.ts";

const read = (file: string): Record<string, unknown> => JSON.parse(readFileSync(file, "utf8"));

it("server.json, for the MCP registry, has the version of the package and the route of the service", () => {
  const { version, name, description, remotes } = read("server.json");
  expect(version).toBe(read("package.json")["version"]);
  expect(name).toMatch(/^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/);
  // What the registry accepts.
  expect(String(description).length).toBeLessThanOrEqual(100);
  expect(remotes).toMatchObject([{ type: "streamable-http", url: `https://{host}${MCP_ROUTE}` }]);
});
