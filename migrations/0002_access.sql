-- The Worker connects as a role that may read and write these tables and nothing else. Roles belong to the whole
-- server, so the role may exist already because of another database. Its password is set separately, and is never in a
-- migration.
DO $$
BEGIN
  CREATE ROLE threadkeep_worker NOLOGIN NOINHERIT;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
-- A user may read their own rows through Supabase's API, as the role authenticated, with the claims of their token:
-- `sub` is the owner, and `app_metadata.tenant`, which users cannot set, the tenant. A server without Supabase does not
-- have this role yet.
DO $$
BEGIN
  CREATE ROLE authenticated NOLOGIN NOINHERIT;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
--> statement-breakpoint
-- Supabase grants the roles of its API all privileges on everything in this schema. service_role bypasses every policy,
-- and row-level security does not prevent TRUNCATE. So all privileges are revoked; authenticated gets SELECT again
-- below, for its own rows only.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    EXECUTE format('REVOKE ALL ON "sessions", "summaries", "summary_items", "messages", "audit_events", "audit_events_default" FROM %I', reader);
    EXECUTE format('REVOKE ALL ON FUNCTION search_memory, memory_terms, memory_claim, retain_audit, archive_sessions, archive_session, archive_rows, count_set_aside FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
-- Only the Worker may search, and have the audit's partitions created and dropped, because the search answers for any
-- tenant that it is given.
REVOKE ALL ON FUNCTION search_memory, memory_terms, memory_claim, retain_audit, archive_sessions, archive_session, archive_rows, count_set_aside FROM PUBLIC;
--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO threadkeep_worker, authenticated;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON "sessions", "summaries", "summary_items", "messages" TO threadkeep_worker;
--> statement-breakpoint
-- Events are permanent: the Worker cannot change or delete any, not even its own.
GRANT SELECT, INSERT ON "audit_events" TO threadkeep_worker;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION search_memory, memory_terms, retain_audit TO threadkeep_worker;
--> statement-breakpoint
-- They run as their caller, with no more rights than the role has without them.
GRANT EXECUTE ON FUNCTION archive_sessions, archive_session, archive_rows, count_set_aside TO threadkeep_worker;
--> statement-breakpoint
GRANT SELECT ON "sessions", "summaries", "summary_items", "messages" TO authenticated;
--> statement-breakpoint
-- Used by the policies.
GRANT EXECUTE ON FUNCTION memory_claim TO authenticated;
--> statement-breakpoint
-- The Worker's role is restricted to the tenant that its transaction names (threadkeep.tenant). A task that works on
-- all tenants names itself instead (threadkeep.across_tenants). A transaction with neither can neither read nor write.
-- After a transaction, its local settings are empty strings, not null.
--
-- Row-level security is forced, because a role that inherits from the owner of the tables would otherwise bypass every
-- policy. Supabase's role postgres bypasses policies by an attribute, which is not inherited. An owner without that
-- attribute needs a policy; otherwise the search, which runs as the owner, would find nothing.
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
-- The policy of sessions applies inside these policies too. With an array that is computed once, the primary keys can
-- be used.
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
-- A statement of the Worker that takes this long is stuck, and a transaction that it left open holds locks. The
-- settings are for this database only, because the role belongs to the whole server. If the migration's role may not
-- alter it, npm run migrate does so when it sets the password.
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
