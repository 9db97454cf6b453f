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
-- A claim of the token if it is a text; null without a token, and of one that makes no sense: a policy then shows nothing.
CREATE FUNCTION memory_claim(VARIADIC path text[]) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  claim jsonb;
BEGIN
  claim := current_setting('request.jwt.claims', true)::jsonb #> path;
  RETURN CASE jsonb_typeof(claim) WHEN 'string' THEN claim #>> '{}' END;
EXCEPTION
  WHEN data_exception THEN RETURN NULL;
END
$$;
--> statement-breakpoint
-- Supabase grants the roles of its API everything on a new table and function, and row-level security does not stop TRUNCATE.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION search_memory, memory_terms, place_summary_item FROM %I', reader);
    CONTINUE WHEN reader = 'service_role';
    EXECUTE format('REVOKE ALL ON "sessions", "summaries", "summary_items" FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION memory_terms, place_summary_item FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION memory_terms TO threadkeep_worker;
--> statement-breakpoint
GRANT USAGE ON SCHEMA public TO authenticated;
--> statement-breakpoint
GRANT SELECT ON "sessions", "summaries", "summary_items" TO authenticated;
--> statement-breakpoint
CREATE POLICY "own" ON "sessions" FOR SELECT TO authenticated USING (
  "erased_at" IS NULL
  AND "owner" <> '-'
  AND "owner" = (SELECT memory_claim('sub'))
  AND "tenant" = (SELECT memory_claim('app_metadata', 'tenant'))
);
--> statement-breakpoint
-- The policy of sessions holds in here as well. An array that is made once lets the primary keys find the rows.
CREATE POLICY "own" ON "summaries" FOR SELECT TO authenticated
USING ("incarnation" = ANY (ARRAY(SELECT s."incarnation" FROM "sessions" AS s)));
--> statement-breakpoint
CREATE POLICY "own" ON "summary_items" FOR SELECT TO authenticated
USING ("incarnation" = ANY (ARRAY(SELECT s."incarnation" FROM "sessions" AS s)));
--> statement-breakpoint
-- A role that inherits from the tables' owner would else be past every policy.
ALTER TABLE "sessions" FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE "summaries" FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE "summary_items" FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
-- Supabase's postgres passes policies by an attribute, which nobody inherits. An owner without it needs a policy, or the search,
-- which runs as the owner, would find nothing.
DO $$
DECLARE
  archive_table text;
BEGIN
  IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
    RETURN;
  END IF;
  FOREACH archive_table IN ARRAY ARRAY['sessions', 'summaries', 'summary_items'] LOOP
    EXECUTE format('CREATE POLICY "owner" ON %I TO %I USING (true) WITH CHECK (true)', archive_table, current_user);
  END LOOP;
END
$$;
