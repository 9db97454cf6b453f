import type { Service } from "../../scripts/dev/service.ts";
import { createAdminSend } from "../../scripts/keys/admin-api.ts";
import { createdKeySchema } from "../../src/api/api-key.ts";
// The customers of the service under load: tenants, each with an API key in each shard, as a deployment's customers have.
import { BenchClient } from "../bench/client.ts";

/** Connections to one shard, shared by all customers. A request waits if all are in use, and the wait counts as latency. */
const CONNECTIONS_TO_A_SHARD = 600;
const FEWEST_CONNECTIONS = 8;

/** A customer's key in one shard. */
export interface Access {
  readonly url: string;
  readonly apiKey: string;
  readonly client: BenchClient;
}

export interface Customer {
  readonly tenant: string;
  /** One entry for each shard. */
  readonly access: readonly Access[];
}

export async function makeCustomers(
  services: readonly Service[],
  count: number,
  summarizeAfterTokens: number,
): Promise<Customer[]> {
  const connections = Math.max(FEWEST_CONNECTIONS, Math.floor(CONNECTIONS_TO_A_SHARD / count));
  const customers: Customer[] = [];
  for (let index = 0; index < count; index += 1) {
    const tenant = `customer-${index + 1}`;
    const access = await Promise.all(
      services.map(async ({ url, adminKey }) => {
        const send = createAdminSend({ url, adminKey });
        await send("POST", "/v1/admin/tenants", { tenant, settings: { summarizeAfterTokens } });
        const body = { name: "back end", scopes: ["memory:read", "memory:write"] };
        const { key } = createdKeySchema.parse(await send("POST", `/v1/admin/tenants/${tenant}/keys`, body));
        return { url, apiKey: key, client: new BenchClient({ url, apiKey: key }, connections) };
      }),
    );
    customers.push({ tenant, access });
  }
  return customers;
}

export function closeCustomers(customers: readonly Customer[]): void {
  for (const { access } of customers) for (const { client } of access) client.close();
}
