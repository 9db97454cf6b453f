import { describe, expect, it } from "vitest";
import { keysProgram, type KeysOptions } from "../../scripts/keys/options.ts";
import { readCommandLine } from "../support/command-line.ts";

const NOW = Date.parse("2026-11-22T00:00:00Z");
const read = (line: string) =>
  readCommandLine<KeysOptions>((run) => keysProgram(run, () => NOW), line.split(" ").filter(Boolean));

async function helpOf(line: string): Promise<{ help: string }> {
  const parsed = await read(line);
  return { help: "help" in parsed ? parsed.help : "no help" };
}

describe("the command line of the keys", () => {
  it("says what each command does", async () => {
    expect(await read("create --name ci --scopes memory:read,ops --expires-in-days 30 --json")).toEqual({
      options: {
        command: {
          do: "create",
          tenant: null,
          body: { name: "ci", scopes: ["memory:read", "ops"], expiresAt: "2026-12-22T00:00:00.000Z" },
        },
        isJson: true,
        url: undefined,
      },
    });
    expect(await read("list --tenant acme --url http://127.0.0.1:1")).toMatchObject({
      options: { command: { do: "list", tenant: "acme" }, url: "http://127.0.0.1:1", isJson: false },
    });
    expect(await read("rotate abc --grace-seconds 0")).toMatchObject({
      options: { command: { do: "rotate", keyId: "abc", graceSeconds: 0 } },
    });
    expect(await read("rotate abc")).toMatchObject({ options: { command: { graceSeconds: null } } });
    expect(await read("revoke abc --tenant acme")).toMatchObject({
      options: { command: { do: "revoke", tenant: "acme", keyId: "abc" } },
    });
    expect(await read("tenant acme --jurisdiction eu")).toMatchObject({
      options: { command: { do: "tenant", body: { tenant: "acme", jurisdiction: "eu" } } },
    });
    expect(await read("tenants")).toMatchObject({ options: { command: { do: "tenants" } } });
  });

  it("explains the commands, and the options of each", async () => {
    for (const line of ["help", "--help", "-h"]) {
      const { help } = await helpOf(line);
      for (const command of ["create", "list", "rotate", "revoke", "tenant", "tenants"])
        expect(help).toContain(command);
    }
    for (const line of ["create --help", "create extra -h", "help create"]) {
      expect((await helpOf(line)).help).toContain("--expires-in-days");
    }
  });

  it.each([
    ["", "Name a command"],
    ["delete", "Unknown command 'delete'"],
    ["constructor", "Unknown command"],
    ["creat", "(Did you mean create?)"],
    ["create", "--name"],
    ["create extra --name x", 'Unknown argument "extra"'],
    ["create --name x --expires-in-days 0", "1 to 3650"],
    ["create --name x --expires-in-days soon", "1 to 3650"],
    ["create --name x --jurisdiction eu", "Unknown option '--jurisdiction'"],
    ["list --name x", "Unknown option '--name'"],
    ["rotate", "'key-id'"],
    ["rotate a b", 'Unknown argument "b"'],
    ["rotate a --grace-seconds -1", "--grace-seconds"],
    ["revoke", "'key-id'"],
    ["tenant", "'name'"],
    ["tenant acme --tenant acme", "Unknown option '--tenant'"],
    ["tenants --key secret", "--key"],
  ])("refuses %j, and says why", async (line, reason) => {
    const parsed = await read(line);
    expect("fault" in parsed ? parsed.fault : "no fault").toContain(reason);
  });
});
