import { describe, expect, it } from "vitest";
import { HELP, parseOptions } from "../../scripts/keys/options.ts";

const NOW = Date.parse("2026-11-22T00:00:00Z");
const read = (line: string): ReturnType<typeof parseOptions> => parseOptions(line.split(" ").filter(Boolean), NOW);

describe("the command line of the keys", () => {
  it("says what each command is to do", () => {
    expect(read("create --name ci --scopes memory:read,ops --expires-in-days 30 --json")).toEqual({
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
    expect(read("list --tenant acme --url http://127.0.0.1:1")).toMatchObject({
      options: { command: { do: "list", tenant: "acme" }, url: "http://127.0.0.1:1", isJson: false },
    });
    expect(read("rotate abc --grace-seconds 0")).toMatchObject({
      options: { command: { do: "rotate", keyId: "abc", graceSeconds: 0 } },
    });
    expect(read("rotate abc")).toMatchObject({ options: { command: { graceSeconds: null } } });
    expect(read("revoke abc --tenant acme")).toMatchObject({
      options: { command: { do: "revoke", tenant: "acme", keyId: "abc" } },
    });
    expect(read("tenant acme --jurisdiction eu")).toMatchObject({
      options: { command: { do: "tenant", body: { tenant: "acme", jurisdiction: "eu" } } },
    });
    expect(read("tenants")).toMatchObject({ options: { command: { do: "tenants" } } });
  });

  it.each(["help", "--help", "-h", "create --help", "help create"])("tells the rest for %s", (line) => {
    expect(read(line)).toEqual({ help: true });
    for (const command of ["create", "list", "rotate", "revoke", "tenant", "tenants"]) expect(HELP).toContain(command);
  });

  it.each([
    ["", "name a command"],
    ["delete", "no command"],
    ["constructor", "no command"],
    ["create", "--name"],
    ["create extra --name x", "extra"],
    ["create --name x --expires-in-days 0", "1 to 3650"],
    ["create --name x --expires-in-days soon", "1 to 3650"],
    ["create --name x --jurisdiction eu", "create takes no --jurisdiction"],
    ["list --name x", "list takes no --name"],
    ["rotate", "id of a key"],
    ["rotate a b", '"b"'],
    ["rotate a --grace-seconds -1", "--grace-seconds"],
    ["revoke", "id of a key"],
    ["tenant", "a name"],
    ["tenant acme --tenant acme", "tenant takes no --tenant"],
    ["tenants --key secret", "--key"],
  ])("refuses %j, and says why", (line, reason) => {
    const parsed = read(line);
    expect("fault" in parsed ? parsed.fault : "no fault").toContain(reason);
  });
});
