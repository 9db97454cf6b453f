-- The Worker connects as a role that may read and write these tables and nothing else. Roles belong to the whole server, so
-- another database may have made it already. Its password is set apart, and never stands in a migration.
DO $$
BEGIN
  CREATE ROLE threadkeep_worker NOLOGIN NOINHERIT;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
-- A user reads what is theirs through Supabase's own API, as the role authenticated and with the claims of their token: `sub` is
-- the owner, `app_metadata.tenant`, which users cannot set, the tenant. A server without Supabase has no such role yet.
DO $$
BEGIN
  CREATE ROLE authenticated NOLOGIN NOINHERIT;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
-- Supabase grants the roles of its API everything on whatever is made in this schema: service_role passes every policy, and row-level
-- security does not stop TRUNCATE. anon and service_role have nothing to do here, and authenticated reads its own rows and no more.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    EXECUTE format('REVOKE ALL ON "sessions", "summaries", "summary_items", "messages", "audit_events", "audit_events_default" FROM %I', reader);
    EXECUTE format('REVOKE ALL ON FUNCTION search_memory, memory_terms, memory_claim, retain_audit FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
-- The Worker alone may search, and let the audit's partitions be made and dropped: the search answers for whatever tenant it is asked for.
REVOKE ALL ON FUNCTION search_memory, memory_terms, memory_claim, retain_audit FROM PUBLIC;
--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO threadkeep_worker, authenticated;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON "sessions", "summaries", "summary_items", "messages" TO threadkeep_worker;
--> statement-breakpoint
-- What stands here stays: the Worker cannot change or delete an event, its own neither.
GRANT SELECT, INSERT ON "audit_events" TO threadkeep_worker;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION search_memory, memory_terms, retain_audit TO threadkeep_worker;
--> statement-breakpoint
GRANT SELECT ON "sessions", "summaries", "summary_items", "messages" TO authenticated;
--> statement-breakpoint
-- The policies call it.
GRANT EXECUTE ON FUNCTION memory_claim TO authenticated;
--> statement-breakpoint
-- The Worker's role is held to the tenant that its transaction names (threadkeep.tenant). What goes over all tenants says so by a name of
-- its own (threadkeep.across_tenants). A transaction that says neither sees nothing and writes nothing. A setting that was made for one
-- transaction is empty after it, and not null.
--
-- Row-level security is forced: a role that inherits from the tables' owner would else be past every policy. Supabase's postgres passes
-- policies by an attribute, which nobody inherits. An owner without it needs a policy, or the search, which runs as the owner, would find
-- nothing.
DO $$
DECLARE
  held text;
  passes CONSTANT boolean := (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user);
  reach CONSTANT text := '"tenant" = (SELECT nullif(current_setting(''threadkeep.tenant'', true), ''''))'
    || ' OR (SELECT coalesce(current_setting(''threadkeep.across_tenants'', true), '''') <> '''')';
BEGIN
  FOREACH held IN ARRAY ARRAY['sessions', 'summaries', 'summary_items', 'messages'] LOOP
    EXECUTE format('CREATE POLICY "worker" ON %I TO threadkeep_worker USING (%s) WITH CHECK (%s)', held, reach, reach);
  END LOOP;
  EXECUTE format('CREATE POLICY "worker_reads" ON "audit_events" FOR SELECT TO threadkeep_worker USING (%s)', reach);
  EXECUTE format('CREATE POLICY "worker_adds" ON "audit_events" FOR INSERT TO threadkeep_worker WITH CHECK (%s)', reach);
  FOREACH held IN ARRAY ARRAY['sessions', 'summaries', 'summary_items', 'messages', 'audit_events'] LOOP
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', held);
    CONTINUE WHEN passes;
    EXECUTE format('CREATE POLICY "owner" ON %I TO %I USING (true) WITH CHECK (true)', held, current_user);
  END LOOP;
END
$$;
--> statement-breakpoint
ALTER TABLE "audit_events_default" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE POLICY "own" ON "sessions" FOR SELECT TO authenticated USING (
  "erased_at" IS NULL
  AND "owner" <> '-'
  AND "owner" = (SELECT memory_claim('sub'))
  AND "tenant" = (SELECT memory_claim('app_metadata', 'tenant'))
);
--> statement-breakpoint
-- The policy of sessions holds in here as well. An array that is made once lets the primary keys find the rows.
DO $$
DECLARE
  held text;
BEGIN
  FOREACH held IN ARRAY ARRAY['summaries', 'summary_items', 'messages'] LOOP
    EXECUTE format(
      'CREATE POLICY "own" ON %I FOR SELECT TO authenticated USING ("epoch" = ANY (ARRAY(SELECT s."epoch" FROM "sessions" AS s)))',
      held
    );
  END LOOP;
END
$$;
--> statement-breakpoint
-- A statement of the Worker's that takes so long is stuck, and a transaction that it left open holds locks. For this database alone: the
-- role belongs to the whole server. Whoever may not change it has it changed with its password, by npm run migrate.
DO $$
BEGIN
  EXECUTE format('ALTER ROLE threadkeep_worker IN DATABASE %I SET statement_timeout = ''20s''', current_database());
  EXECUTE format(
    'ALTER ROLE threadkeep_worker IN DATABASE %I SET idle_in_transaction_session_timeout = ''60s''', current_database()
  );
EXCEPTION
  WHEN insufficient_privilege THEN RAISE NOTICE 'threadkeep_worker keeps its timeouts: %', SQLERRM;
END
$$;
--> statement-breakpoint
-- The partitions of the audit for this month and the next two.
SELECT * FROM retain_audit(3650);
