-- The items of one owner that match a query, best first. It runs as the owner of the tables and filters by
-- tenant and owner itself, because under any row-level security policy the text index would not be used: the operator
-- @@ is not leakproof.
--
-- The cost of a query is limited, however many items an owner has. Terms are looked up in the index, the rarest first
-- by the statistics of ANALYZE, each for at most at_most items. A term that is too common in a large index is not
-- looked up; neither are terms after one with at_most items. For these, only the owner's newest items (window_size) are
-- searched.
CREATE FUNCTION search_memory(
  of_tenant text, of_owner text, query text, of_kinds text[], of_statuses text[], of_sessions text[], most integer, skipped integer
)
RETURNS TABLE (
  session text, epoch text, item_id text, kind text, "text" text, source_seqs integer[], source_session text,
  status text, made_at timestamp with time zone, score double precision
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
  at_most CONSTANT integer := 300;
  max_terms CONSTANT integer := 16;
  window_size CONSTANT integer := 1000;
  -- Index entries that may be read for one term; reading so many takes a few milliseconds.
  max_entries CONSTANT integer := 20000;
  -- Weight of a term that is not looked up.
  least_weight CONSTANT double precision := ln(2);
  place_term CONSTANT text := of_tenant || '/' || of_owner;
  place CONSTANT tsquery := ('''' || replace(replace(place_term, '\', '\\'), '''', '''''') || '''')::tsquery;
  lives text[];
  elements text[];
  frequencies real[];
  terms tsquery[];
  costs double precision[];
  weights double precision[];
  common tsquery;
  hits tid[];
  candidates tid[] := '{}';
BEGIN
  IF of_sessions IS NOT NULL THEN
    SELECT coalesce(array_agg(s.epoch), '{}') INTO lives FROM public.sessions AS s
    WHERE s.tenant = of_tenant AND s.owner = of_owner AND s.session = ANY (of_sessions);
  END IF;
  SELECT p.most_common_elems::text::text[], p.most_common_elem_freqs INTO elements, frequencies
  FROM pg_stats AS p
  WHERE p.schemaname = 'public' AND p.tablename = 'summary_items' AND p.attname = 'search';

  WITH seen AS (
    SELECT u.element, u.frequency * c.reltuples AS entries
    FROM unnest(elements, frequencies) AS u (element, frequency), pg_class AS c
    WHERE c.oid = 'public.summary_items'::regclass
  ), said AS (
    SELECT t.term, coalesce(e.entries, 0) AS entries,
      char_length(t.term) = 1 AND octet_length(t.term) > 2 AS is_single,
      ts_lexize('pg_catalog.english_stem', t.term) = '{}' AS is_stop
    FROM (SELECT DISTINCT u.term FROM unnest(public.memory_terms(query)) AS u (term)) AS t
    LEFT JOIN seen AS e ON e.element = t.term
  ), graded AS (
    -- Stop words, and single characters of scripts without spaces, are used only if the query has nothing else.
    SELECT s.*, rank() OVER (ORDER BY s.is_stop OR s.is_single) AS grade FROM said AS s
  ), chosen AS (
    SELECT
      ('''' || replace(replace(g.term, '\', '\\'), '''', '''''') || CASE WHEN g.is_single THEN ''':*' ELSE '''' END)::tsquery AS term,
      least(g.entries, coalesce((SELECT e.entries FROM seen AS e WHERE e.element = place_term), 0)) AS cost,
      row_number() OVER (ORDER BY g.entries, char_length(g.term) DESC, g.term) AS rarity
    FROM graded AS g WHERE g.grade = 1
    ORDER BY rarity LIMIT max_terms
  )
  SELECT coalesce(array_agg(c.term ORDER BY c.rarity), '{}'), array_agg(c.cost ORDER BY c.rarity) INTO terms, costs
  FROM chosen AS c;
  weights := array_fill(least_weight, ARRAY[cardinality(terms)]);

  FOR nth IN 1 .. cardinality(terms) LOOP
    EXIT WHEN cardinality(candidates) >= at_most;
    IF costs[nth] <= max_entries THEN
      SELECT coalesce(array_agg(found.ctid), '{}') INTO hits
      FROM (
        SELECT i.ctid FROM public.summary_items AS i
        WHERE i.search @@ (place && terms[nth])
          AND (of_kinds IS NULL OR i.kind = ANY (of_kinds))
          AND (of_statuses IS NULL OR i.status = ANY (of_statuses))
          AND (lives IS NULL OR i.epoch = ANY (lives))
        LIMIT at_most
      ) AS found;
      candidates := candidates || hits;
      weights[nth] := ln(1 + at_most / (1.0 + cardinality(hits)));
      CONTINUE WHEN cardinality(hits) < at_most;
    END IF;
    -- The terms after this one are at least as common.
    SELECT string_agg(t.term::text, ' | ')::tsquery INTO common FROM unnest(terms[nth:]) AS t (term);
    SELECT candidates || coalesce(array_agg(matched.ctid), '{}') INTO candidates
    FROM (
      SELECT newest.ctid
      FROM (
        SELECT i.ctid, i.search, i.kind, i.status, i.epoch, i.made_at FROM public.summary_items AS i
        WHERE i.tenant = of_tenant AND i.owner = of_owner
        ORDER BY i.made_at DESC LIMIT window_size
      ) AS newest
      WHERE newest.search @@ common
        AND (of_kinds IS NULL OR newest.kind = ANY (of_kinds))
        AND (of_statuses IS NULL OR newest.status = ANY (of_statuses))
        AND (lives IS NULL OR newest.epoch = ANY (lives))
      ORDER BY ts_rank(newest.search, common) DESC, newest.made_at DESC LIMIT at_most
    ) AS matched;
    EXIT;
  END LOOP;

  RETURN QUERY
  -- Materialized, so that the rows are read by their ctid, and no index of the owner is read for them.
  WITH candidate AS MATERIALIZED (SELECT i.* FROM public.summary_items AS i WHERE i.ctid = ANY (candidates))
  SELECT s.session, i.epoch, i.item_id, i.kind, i.text, i.source_seqs, i.source_session, i.status, i.made_at,
    (SELECT sum(w.weight) FROM unnest(terms, weights) AS w (term, weight) WHERE i.search @@ w.term) AS score
  FROM candidate AS i
  JOIN public.sessions AS s ON s.epoch = i.epoch
  WHERE s.tenant = of_tenant AND s.owner = of_owner AND s.erased_at IS NULL
    AND i.tenant = of_tenant AND i.owner = of_owner
  ORDER BY score DESC, i.made_at DESC, s.session, i.item_id
  LIMIT most OFFSET skipped;
END
$$;
--> statement-breakpoint
-- A claim of the JWT if it is a string; null without a token or with an invalid one, so that the policies show nothing.
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
-- Creates the partitions of this month and the next two, and drops those whose newest event is older than keep_days.
-- The Worker calls it once a day. It runs as the owner of the tables, so that the Worker itself need not be allowed to
-- drop anything. It never drops anything of the last 30 days, so that whoever takes over the Worker cannot remove the
-- traces.
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
    -- Events of this month that came while it had no partition move from the default partition; the lock keeps others
    -- from being added meanwhile.
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
