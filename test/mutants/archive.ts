import type { Mutant } from "../../tools/mutants/mutant.ts";

/** PostgreSQL's policies limit each transaction of the Worker's role to the tenant that it names; test/worker/archive.test.ts tests them. */
const HELD_BY_POLICY = "the row-level security of PostgreSQL holds it as well";

export const ARCHIVE_MUTANTS: readonly Mutant[] = [
  {
    name: "the items of a session are those of any user",
    file: "src/archive/memories.ts",
    replace: "          eq(sessions.owner, owner),\n          eq(sessions.session, session),",
    by: "          eq(sessions.session, session),",
    tests: ["worker/same-names"],
  },
  {
    name: "the items of a session are those of any tenant",
    file: "src/archive/memories.ts",
    replace:
      "          eq(sessions.tenant, tenant),\n          eq(sessions.owner, owner),\n          eq(sessions.session, session),",
    by: "          eq(sessions.owner, owner),\n          eq(sessions.session, session),",
    tests: ["worker/same-names"],
    survives: HELD_BY_POLICY,
  },
  {
    name: "memories are those of a namesake in another tenant",
    file: "src/archive/memories.ts",
    replace:
      '          eq(summaryItems.tenant, tenant),\n          eq(summaryItems.owner, owner),\n          isNull(summaryItems.setAside),\n          eq(summaryItems.status, "current"),\n          inArray(summaryItems.kind, [...(options.kinds ?? LASTING_KINDS)]),\n          eq(sessions.tenant, tenant),',
    by: '          eq(summaryItems.owner, owner),\n          isNull(summaryItems.setAside),\n          eq(summaryItems.status, "current"),\n          inArray(summaryItems.kind, [...(options.kinds ?? LASTING_KINDS)]),',
    tests: ["worker/same-names"],
    survives: HELD_BY_POLICY,
  },
  {
    name: "memories that are over come along",
    file: "src/archive/memories.ts",
    replace: '          eq(summaryItems.status, "current"),\n',
    by: "",
    tests: ["worker/archive-search"],
  },
  {
    name: "the row of a session is that of any user",
    file: "src/archive/held.ts",
    replace: "and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session))",
    by: "and(eq(sessions.tenant, tenant), eq(sessions.session, session))",
    tests: ["worker/same-names"],
  },
  {
    name: "the row of a session is that of any tenant",
    file: "src/archive/held.ts",
    replace: "and(eq(sessions.tenant, tenant), eq(sessions.owner, owner), eq(sessions.session, session))",
    by: "and(eq(sessions.owner, owner), eq(sessions.session, session))",
    tests: ["worker/same-names"],
    survives: HELD_BY_POLICY,
  },
  {
    name: "a look through a user's sessions finds others'",
    file: "src/archive/held.ts",
    replace: "  if (owner !== undefined) conditions.push(eq(sessions.owner, owner));\n",
    by: "",
    tests: ["worker/same-names"],
  },
  {
    name: "a tombstone is listed as a session",
    file: "src/archive/held.ts",
    replace: "[sql`${sessions.erasedAt} is null`]",
    by: "[sql`true`]",
    tests: ["worker/same-names"],
  },
  {
    name: "a user's erasure takes their namesake in another tenant along",
    file: "src/archive/users.ts",
    replace: "return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner));",
    by: "return and(eq(sessions.owner, owner));",
    tests: ["worker/same-names"],
    survives: HELD_BY_POLICY,
  },
  {
    name: "a user's erasure takes all of the tenant along",
    file: "src/archive/users.ts",
    replace: "return and(eq(sessions.tenant, tenant), eq(sessions.owner, owner));",
    by: "return and(eq(sessions.tenant, tenant));",
    tests: ["worker/same-names"],
  },
  {
    name: "an erasure counts what is left of everybody",
    file: "src/archive/users.ts",
    replace: "and(eq(summaryItems.tenant, tenant), eq(summaryItems.owner, owner))",
    by: "and(eq(summaryItems.tenant, tenant))",
    tests: ["worker/same-names"],
  },
  {
    name: "an erased epoch keeps its messages in the archive",
    file: "src/archive/users.ts",
    replace: "    await database.delete(messages).where(inArray(messages.epoch, some));\n",
    by: "",
    tests: ["worker/same-names", "worker/promise-09-a-user"],
  },
];
