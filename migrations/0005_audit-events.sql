CREATE TABLE "audit_events" (
	"id" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"tenant" text,
	"actor_kind" text NOT NULL,
	"actor" text NOT NULL,
	"user" text,
	"session" text,
	"action" text NOT NULL,
	"result" text NOT NULL,
	"request_id" text,
	"network" text,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "audit_events_at_id_pk" PRIMARY KEY("at","id")
) PARTITION BY RANGE ("at");
--> statement-breakpoint
-- Takes what no month's partition takes, so that no event is ever refused.
CREATE TABLE "audit_events_default" PARTITION OF "audit_events" DEFAULT;
--> statement-breakpoint
ALTER TABLE "audit_events" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE "audit_events" FORCE ROW LEVEL SECURITY;
--> statement-breakpoint
ALTER TABLE "audit_events_default" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE INDEX "audit_events_tenant" ON "audit_events" USING btree ("tenant","at","id");
--> statement-breakpoint
CREATE INDEX "audit_events_user" ON "audit_events" USING btree ("user","at","id") WHERE "user" is not null;
--> statement-breakpoint
CREATE INDEX "audit_events_session" ON "audit_events" USING btree ("session","at","id") WHERE "session" is not null;
--> statement-breakpoint
CREATE INDEX "audit_events_actor" ON "audit_events" USING btree ("actor","at","id");
--> statement-breakpoint
CREATE INDEX "audit_events_action" ON "audit_events" USING btree ("action","at","id");
--> statement-breakpoint
CREATE INDEX "audit_events_result" ON "audit_events" USING btree ("result","at","id");
--> statement-breakpoint
-- Supabase grants the roles of its API everything on a new table. None of them has business here, the one that passes every
-- policy least of all.
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    EXECUTE format('REVOKE ALL ON "audit_events", "audit_events_default" FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
-- What stands here stays: the Worker cannot change or delete an event, its own neither.
GRANT SELECT, INSERT ON "audit_events" TO threadkeep_worker;
--> statement-breakpoint
CREATE POLICY "worker_reads" ON "audit_events" FOR SELECT TO threadkeep_worker USING (true);
--> statement-breakpoint
CREATE POLICY "worker_adds" ON "audit_events" FOR INSERT TO threadkeep_worker WITH CHECK (true);
--> statement-breakpoint
DO $$
BEGIN
  IF NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
    EXECUTE format('CREATE POLICY "owner" ON "audit_events" TO %I USING (true) WITH CHECK (true)', current_user);
  END IF;
END
$$;
--> statement-breakpoint
-- Makes the partitions of this month and the next two, and drops those whose newest event is older than keep_days. The Worker
-- asks for it once a day. It runs as the tables' owner, so that the Worker need not be able to drop anything; and it drops nothing
-- of the last 30 days, whatever it is asked for, so that whoever takes over the Worker cannot clear away what they do.
CREATE FUNCTION retain_audit(keep_days integer) RETURNS TABLE (created integer, dropped integer)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
SET lock_timeout = '5s'
AS $$
DECLARE
  least_days CONSTANT integer := 30;
  months_ahead CONSTANT integer := 2;
  cutoff CONSTANT timestamptz := now() - make_interval(days => keep_days);
  month timestamptz;
  after_it timestamptz;
  partition text;
  reader text;
BEGIN
  IF keep_days IS NULL OR keep_days < least_days THEN
    RAISE EXCEPTION 'audit events are kept for % days at least', least_days USING ERRCODE = 'invalid_parameter_value';
  END IF;
  created := 0;
  dropped := 0;
  FOR ahead IN 0 .. months_ahead LOOP
    month := date_trunc('month', now()) + make_interval(months => ahead);
    after_it := month + interval '1 month';
    partition := 'audit_events_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
    -- What came for this month while it had no partition moves over; nothing may come meanwhile.
    LOCK TABLE public.audit_events IN SHARE ROW EXCLUSIVE MODE;
    EXECUTE format('CREATE TABLE public.%I (LIKE public.audit_events INCLUDING DEFAULTS)', partition);
    EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
    EXECUTE format('REVOKE ALL ON public.%I FROM PUBLIC', partition);
    FOR reader IN
      SELECT r.rolname FROM pg_roles AS r WHERE r.rolname IN ('anon', 'authenticated', 'service_role', 'threadkeep_worker')
    LOOP
      EXECUTE format('REVOKE ALL ON public.%I FROM %I', partition, reader);
    END LOOP;
    EXECUTE format('INSERT INTO public.%I SELECT * FROM public.audit_events_default WHERE at >= $1 AND at < $2', partition)
      USING month, after_it;
    DELETE FROM public.audit_events_default WHERE at >= month AND at < after_it;
    EXECUTE format(
      'ALTER TABLE public.audit_events ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', partition, month, after_it
    );
    created := created + 1;
  END LOOP;
  FOR partition IN
    SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.audit_events'::regclass AND c.relname ~ '^audit_events_\d{4}_\d{2}$'
      AND to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= cutoff
  LOOP
    EXECUTE format('DROP TABLE public.%I', partition);
    dropped := dropped + 1;
  END LOOP;
  DELETE FROM public.audit_events_default WHERE at < cutoff;
  RETURN NEXT;
END
$$;
--> statement-breakpoint
DO $$
DECLARE
  reader text;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION retain_audit FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
REVOKE ALL ON FUNCTION retain_audit FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION retain_audit TO threadkeep_worker;
--> statement-breakpoint
SELECT * FROM retain_audit(3650);
