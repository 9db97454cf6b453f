CREATE TABLE "messages" (
	"incarnation" text NOT NULL,
	"seq" integer NOT NULL,
	"id" text NOT NULL,
	"role" text NOT NULL,
	"author" text,
	"content" jsonb,
	"metadata" jsonb,
	"occurred_at" timestamp with time zone,
	"created_at" timestamp with time zone NOT NULL,
	"edited_at" timestamp with time zone,
	"erased_at" timestamp with time zone,
	"tenant" text NOT NULL,
	"owner" text NOT NULL,
	CONSTRAINT "messages_incarnation_seq_pk" PRIMARY KEY("incarnation","seq")
);
--> statement-breakpoint
ALTER TABLE "messages" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
GRANT SELECT, INSERT, UPDATE, DELETE ON "messages" TO threadkeep_worker;
--> statement-breakpoint
CREATE POLICY "worker" ON "messages" TO threadkeep_worker USING (true) WITH CHECK (true);
--> statement-breakpoint
-- Supabase grants the roles of its API everything on a new table, and row-level security does not stop TRUNCATE.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated') LOOP
    EXECUTE format('REVOKE ALL ON "messages" FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
GRANT SELECT ON "messages" TO authenticated;
--> statement-breakpoint
-- The policy of sessions holds in here as well. An array that is made once lets the primary key find the rows.
CREATE POLICY "own" ON "messages" FOR SELECT TO authenticated
USING ("incarnation" = ANY (ARRAY(SELECT s."incarnation" FROM "sessions" AS s)));
--> statement-breakpoint
-- A role that inherits from the table's owner would else be past every policy.
ALTER TABLE "messages" FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
-- An owner that does not pass policies needs one, as for the other tables.
DO $$
BEGIN
  IF (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
    RETURN;
  END IF;
  EXECUTE format('CREATE POLICY "owner" ON "messages" TO %I USING (true) WITH CHECK (true)', current_user);
END
$$;
