// A table of messages and nothing else: the best that any memory in PostgreSQL could do.
import pg from "pg";
import { type OpenedPeer, RECENT, type Surroundings } from "./peer.ts";
import { sizeOfDatabase } from "./sizes.ts";

export async function openPlainPostgres({ makeDatabase }: Surroundings): Promise<OpenedPeer> {
  const url = await makeDatabase("plain_postgres");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(
    "create table messages (session text, seq bigserial, role text not null, content text not null, primary key (session, seq))",
  );
  const insert = { name: "insert", text: "insert into messages (session, role, content) values ($1, $2, $3)" };
  const recent = {
    name: "recent",
    text: `select role, content from messages where session = $1 order by seq desc limit ${RECENT}`,
  };
  return {
    peer: {
      name: "plain PostgreSQL",
      where: "Node, over loopback",
      gives: `the last ${RECENT} messages`,
      keeps: "all (fsync)",
      async converse(id) {
        return {
          async fill(turns) {
            const roles = turns.map(({ role }) => role);
            const contents = turns.map(({ content }) => content);
            await client.query(
              "insert into messages (session, role, content) select $1, role, content from unnest($2::text[], $3::text[]) as t (role, content)",
              [id, roles, contents],
            );
          },
          async append({ role, content }) {
            await client.query({ ...insert, values: [id, role, content] });
          },
          next: async () => (await client.query({ ...recent, values: [id] })).rows.length,
          size: () => sizeOfDatabase(url),
        };
      },
      close: () => client.end(),
    },
  };
}
