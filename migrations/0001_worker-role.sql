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
GRANT USAGE ON SCHEMA public TO threadkeep_worker;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON "sessions", "summaries", "summary_items" TO threadkeep_worker;
--> statement-breakpoint
CREATE POLICY "worker" ON "sessions" TO threadkeep_worker USING (true) WITH CHECK (true);
--> statement-breakpoint
CREATE POLICY "worker" ON "summaries" TO threadkeep_worker USING (true) WITH CHECK (true);
--> statement-breakpoint
CREATE POLICY "worker" ON "summary_items" TO threadkeep_worker USING (true) WITH CHECK (true);
