// Runs the commands for keys, from the options to the exit code.
import { z } from "zod";
import {
  createdKeySchema,
  type CreatedKey,
  type KeyState,
  keyStateSchema,
  revokedKeySchema,
} from "../../src/api/api-key.ts";
import { type ListedTenant, listedTenantSchema, tenantStateSchema } from "../../src/api/tenant.ts";
import { EXIT } from "../program/run-program.ts";
import { showTable } from "../program/table.ts";
import { AdminFault, type AdminSend, createAdminSend } from "./admin-api.ts";
import { adminTargetOf } from "./admin-target.ts";
import type { Command, KeysOptions } from "./options.ts";

const PAGE_SIZE = 100;
/** What follows from `copied: false`. */
const NOT_COPIED =
  "The tenant's copy, which serves while the tenant's object is unavailable, does not know it yet. The service writes it as soon as it can; run the command again to see.";

export interface KeysEnvironment {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** State directory of the service that `npm start` runs here. */
  readonly stateDirectory: string;
}

/** What is printed: the answer itself, the lines that a program may want, and those only for people. */
interface Told {
  readonly json: unknown;
  readonly lines: readonly string[];
  readonly notes: readonly string[];
}

/** Returns the exit code. */
export async function runKeys(options: KeysOptions, environment: KeysEnvironment): Promise<number> {
  try {
    const target = adminTargetOf(options.url, environment);
    const { json, lines, notes } = await perform(options.command, createAdminSend(target), target.tenant);
    if (options.isJson) environment.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
    else {
      for (const line of lines) environment.stdout.write(`${line}\n`);
      for (const note of notes) environment.stderr.write(`${note}\n`);
    }
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof AdminFault || error instanceof z.ZodError)) throw error;
    const strange = "The service answered, but not as Threadkeep does. Is --url right, and of this version?";
    environment.stderr.write(`${error instanceof AdminFault ? error.message : strange}\n`);
    return EXIT.failed;
  }
}

async function perform(command: Command, send: AdminSend, ownTenant: string | null): Promise<Told> {
  if (command.do === "tenant") return toldTenant(await send("POST", "/v1/admin/tenants", command.body));
  if (command.do === "tenants") return toldTenants(await readAll(send, "/v1/admin/tenants", listedTenantSchema));
  const tenant = command.tenant ?? ownTenant;
  if (tenant === null) throw new AdminFault("Whose keys are meant? Name the tenant with --tenant NAME.");
  switch (command.do) {
    case "create":
      return toldKey(tenant, await send("POST", keysOf(tenant), command.body));
    case "rotate": {
      const { keyId, graceSeconds } = command;
      const body = graceSeconds === null ? {} : { graceSeconds };
      return toldKey(tenant, await send("POST", `${keysOf(tenant)}/${encodeURIComponent(keyId)}/rotate`, body));
    }
    case "revoke": {
      const answer = await send("DELETE", `${keysOf(tenant)}/${encodeURIComponent(command.keyId)}`);
      const state = revokedKeySchema.parse(answer);
      return {
        json: state,
        lines: [`${describe(state)} is revoked. It stops within a minute everywhere.`],
        notes: state.copied ? [] : [NOT_COPIED],
      };
    }
    case "list":
      return toldList(tenant, await readAll(send, keysOf(tenant), keyStateSchema));
  }
}

function toldTenant(answer: unknown): Told {
  const state = tenantStateSchema.parse(answer);
  return {
    json: state,
    lines: [`Tenant ${state.tenant}, ${placeOf(state.jurisdiction)}, created ${state.createdAt ?? "just now"}`],
    notes: [`Its first key: npm run keys -- create --tenant ${state.tenant} --name NAME`],
  };
}

function keysOf(tenant: string): string {
  return `/v1/admin/tenants/${encodeURIComponent(tenant)}/keys`;
}

async function readAll<T>(send: AdminSend, resource: string, entry: z.ZodType<T>): Promise<T[]> {
  const page = z.object({ data: z.array(entry), nextCursor: z.string().nullable() });
  const all: T[] = [];
  for (let cursor: string | null = ""; cursor !== null;) {
    const after: string = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
    const { data, nextCursor } = page.parse(await send("GET", `${resource}?limit=${PAGE_SIZE}${after}`));
    all.push(...data);
    cursor = nextCursor;
  }
  return all;
}

function toldKey(tenant: string, answer: unknown): Told {
  const created: CreatedKey = createdKeySchema.parse(answer);
  const expiry = created.expiresAt === null ? "does not expire" : `expires ${created.expiresAt}`;
  return {
    json: created,
    lines: [created.key],
    notes: [
      `${describe(created)} of tenant ${tenant}: ${created.scopes.join(", ")}; ${expiry}.`,
      "It is shown this once. Put it where your application reads its secrets.",
    ],
  };
}

function toldList(tenant: string, keys: readonly KeyState[]): Told {
  const rows = keys.map((key) => [
    key.id,
    key.name,
    key.status,
    key.scopes.join(","),
    key.createdAt,
    key.expiresAt ?? "never",
    key.lastUsedAt ?? "never",
    key.rotatedTo ?? "",
  ]);
  const head = ["id", "name", "status", "scopes", "created", "expires", "last used", "rotated to"];
  const lines = keys.length === 0 ? [`Tenant ${tenant} has no keys of its own.`] : showTable(head, rows);
  return { json: keys, lines, notes: [] };
}

function toldTenants(tenants: readonly ListedTenant[]): Told {
  const rows = tenants.map(({ tenant, jurisdiction, createdAt }) => [tenant, jurisdiction ?? "none", createdAt]);
  const lines =
    tenants.length === 0 ? ["No tenant was created yet."] : showTable(["tenant", "jurisdiction", "created"], rows);
  return { json: tenants, lines, notes: [] };
}

function describe({ id, name }: KeyState): string {
  return `Key ${id} (${name})`;
}

function placeOf(jurisdiction: string | null): string {
  return jurisdiction === null ? "without a jurisdiction" : `in the jurisdiction ${jurisdiction}`;
}
