-- The items of one owner that match a query, best first. It runs as the owner of the tables and filters by
-- tenant and owner itself, because under any row-level security policy the text index would not be used: the operator
-- @@ is not leakproof.
--
-- The cost of a query is limited, however many items an owner has. Terms are looked up in the index, the rarest first
-- by the statistics of ANALYZE, each for at most most_hits items. A term that is too common in a large index is not looked
-- up, and neither are terms after one with most_hits items. Whether an item has these is found out by splitting its text
-- again, and only for the best of the items found (best_size) and for the owner's newest (window_size).
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
  most_hits CONSTANT integer := 2000;
  max_terms CONSTANT integer := 16;
  -- A text is split in about a tenth of a millisecond on a busy server.
  best_size CONSTANT integer := 100;
  window_size CONSTANT integer := 200;
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
  hits tid[];
  -- The items whose texts are split again.
  unsure tid[];
  -- The next term to look up; in the end, the first of those that were not.
  next_term integer := 1;
  -- Items, and next to each the index of a term that it has.
  matched tid[] := '{}';
  matched_by integer[] := '{}';
  scores double precision[];
BEGIN
  IF of_sessions IS NOT NULL THEN
    SELECT coalesce(array_agg(s.epoch), '{}') INTO lives FROM public.sessions AS s
    WHERE s.tenant = of_tenant AND s.owner = of_owner AND s.session = ANY (of_sessions);
  END IF;
  SELECT p.most_common_elems::text::text[], p.most_common_elem_freqs INTO elements, frequencies
  FROM pg_stats AS p
  WHERE p.schemaname = 'public' AND p.tablename = 'summary_items_search';

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

  WHILE next_term <= cardinality(terms) AND costs[next_term] <= max_entries LOOP
    SELECT coalesce(array_agg(page.ctid), '{}') INTO hits
    FROM (
      SELECT i.ctid FROM public.summary_items AS i
      WHERE array_to_tsvector(public.memory_terms(i.text) || ((i.tenant || '/'::text) || i.owner)) @@ (place && terms[next_term])
        AND (of_kinds IS NULL OR i.kind = ANY (of_kinds))
        AND (of_statuses IS NULL OR i.status = ANY (of_statuses))
        AND (lives IS NULL OR i.epoch = ANY (lives))
      LIMIT most_hits
    ) AS page;
    EXIT WHEN cardinality(hits) = most_hits;
    weights[next_term] := greatest(least_weight, ln(1 + at_most / (1.0 + cardinality(hits))));
    matched := matched || hits;
    matched_by := matched_by || array_fill(next_term, ARRAY[cardinality(hits)]);
    next_term := next_term + 1;
  END LOOP;

  IF next_term <= cardinality(terms) THEN
    WITH best AS (
      SELECT m.place FROM unnest(matched, matched_by) AS m (place, nth)
      GROUP BY m.place ORDER BY sum(weights[m.nth]) DESC LIMIT best_size
    ), newest AS (
      SELECT i.ctid AS place, i.kind, i.status, i.epoch FROM public.summary_items AS i
      WHERE i.tenant = of_tenant AND i.owner = of_owner
      ORDER BY i.made_at DESC LIMIT window_size
    )
    SELECT array_agg(u.place) INTO unsure
    FROM (
      SELECT b.place FROM best AS b
      UNION
      SELECT n.place FROM newest AS n
      WHERE (of_kinds IS NULL OR n.kind = ANY (of_kinds))
        AND (of_statuses IS NULL OR n.status = ANY (of_statuses))
        AND (lives IS NULL OR n.epoch = ANY (lives))
    ) AS u;
    WITH split AS MATERIALIZED (
      SELECT i.ctid AS place, array_to_tsvector(public.memory_terms(i.text)) AS said
      FROM public.summary_items AS i WHERE i.ctid = ANY (unsure)
    )
    SELECT matched || coalesce(array_agg(s.place), '{}'), matched_by || coalesce(array_agg(t.nth::integer), '{}')
    INTO matched, matched_by
    FROM split AS s
    JOIN unnest(terms) WITH ORDINALITY AS t (term, nth) ON t.nth >= next_term AND s.said @@ t.term;
  END IF;

  SELECT array_agg(b.place), array_agg(b.score) INTO hits, scores
  FROM (
    SELECT m.place, sum(weights[m.nth]) AS score FROM unnest(matched, matched_by) AS m (place, nth)
    GROUP BY m.place ORDER BY score DESC FETCH FIRST at_most ROWS WITH TIES
  ) AS b;

  RETURN QUERY
  -- Materialized, so that the rows are read by their ctid, and no index of the owner is read for them.
  WITH candidate AS MATERIALIZED (
    SELECT i.*, h.score FROM unnest(hits, scores) AS h (place, score) JOIN public.summary_items AS i ON i.ctid = h.place
  )
  SELECT s.session, i.epoch, i.item_id, i.kind, i.text, i.source_seqs, i.source_session, i.status, i.made_at, i.score
  FROM candidate AS i
  JOIN public.sessions AS s ON s.epoch = i.epoch
  WHERE s.tenant = of_tenant AND s.owner = of_owner AND s.erased_at IS NULL
    AND i.tenant = of_tenant AND i.owner = of_owner
  ORDER BY i.score DESC, i.made_at DESC, s.session, i.item_id
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
--> statement-breakpoint
-- Inserts rows of one epoch into the archive's tables, named by their columns.
CREATE FUNCTION archive_rows(of_tenant text, of_owner text, of_epoch text, into_table text, given json) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  CASE into_table
    WHEN 'summaries' THEN
      INSERT INTO public.summaries (
        epoch, version, through_seq, tokens, summarizer, degraded, dropped_items, usage, created_at, set_aside, tenant
      )
      SELECT of_epoch, r.version, r.through_seq, r.tokens, r.summarizer, r.degraded, r.dropped_items, r.usage, r.created_at,
        r.set_aside, of_tenant
      FROM json_populate_recordset(NULL::public.summaries, given) AS r
      ON CONFLICT DO NOTHING;
    WHEN 'summary_items' THEN
      INSERT INTO public.summary_items (
        epoch, item_id, from_version, kind, text, source_seqs, source_session, source_epoch, status, tenant, owner, made_at,
        set_aside
      )
      SELECT of_epoch, r.item_id, r.from_version, r.kind, r.text, r.source_seqs, r.source_session, r.source_epoch, r.status,
        of_tenant, of_owner, r.made_at, r.set_aside
      FROM json_populate_recordset(NULL::public.summary_items, given) AS r
      -- A delivery that arrives late may bring what a later one brought already.
      WHERE NOT EXISTS (
        SELECT FROM public.summary_items AS i
        WHERE i.epoch = of_epoch AND i.item_id = r.item_id AND i.from_version = r.from_version
      );
    WHEN 'messages' THEN
      INSERT INTO public.messages AS m (
        epoch, seq, id, after_seq, role, author, content, metadata, occurred_at, created_at, edited_at, erased_at, tenant, owner,
        set_aside
      )
      SELECT of_epoch, r.seq, r.id, r.after_seq, r.role, r.author, r.content, r.metadata, r.occurred_at, r.created_at,
        r.edited_at, r.erased_at, of_tenant, of_owner, r.set_aside
      FROM json_populate_recordset(NULL::public.messages, given) AS r
      -- An edit or an erasure changes only these columns.
      ON CONFLICT (epoch, seq) DO UPDATE SET
        author = excluded.author, content = excluded.content, metadata = excluded.metadata,
        occurred_at = excluded.occurred_at, edited_at = excluded.edited_at, erased_at = excluded.erased_at,
        set_aside = excluded.set_aside;
  END CASE;
END
$$;
--> statement-breakpoint
-- Counts the rows of an epoch that are set aside, stores the number in its session's row, and names the first of them.
CREATE FUNCTION count_set_aside(of_epoch text, most_named integer) RETURNS json
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  total integer;
  named json;
BEGIN
  WITH aside AS (
    SELECT 1 AS place, 0 AS nth, 'the metadata' AS name, s.set_aside AS code
    FROM public.sessions AS s WHERE s.epoch = of_epoch AND s.set_aside IS NOT NULL
    UNION ALL
    SELECT 2, m.seq, 'message ' || m.seq, m.set_aside
    FROM public.messages AS m WHERE m.epoch = of_epoch AND m.set_aside IS NOT NULL
    UNION ALL
    SELECT 3, v.version, 'version ' || v.version, v.set_aside
    FROM public.summaries AS v WHERE v.epoch = of_epoch AND v.set_aside IS NOT NULL
    UNION ALL
    SELECT 4, 0, 'item ' || i.item_id, i.set_aside
    FROM public.summary_items AS i WHERE i.epoch = of_epoch AND i.set_aside IS NOT NULL
  ), ranked AS (
    SELECT a.name, a.code, row_number() OVER (ORDER BY a.place, a.nth, a.name) AS rank FROM aside AS a
  )
  SELECT count(*),
    coalesce(json_agg(json_build_object('name', r.name, 'code', r.code) ORDER BY r.rank) FILTER (WHERE r.rank <= most_named), '[]')
  INTO total, named
  FROM ranked AS r;
  UPDATE public.sessions AS s SET rows_set_aside = total WHERE s.epoch = of_epoch;
  RETURN json_build_object('setAside', json_build_object('total', total, 'named', named));
END
$$;
--> statement-breakpoint
-- Applies one change to the archive of a session, if its revision is newer than what the archive holds. Repeated, late and
-- reordered changes change nothing. It runs as its caller, for the tenant that the change names: the policies of row-level
-- security apply to each statement. src/archive/sessions.ts describes the change and the result.
CREATE FUNCTION archive_session(change json) RETURNS json
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  c record;
  held record;
  suspect record;
  -- Epochs of which everything but the session's row is deleted.
  gone text[] := '{}';
  aside json;
  most_named CONSTANT integer := 5;
BEGIN
  SELECT * INTO c FROM json_to_record(change) AS r (
    tenant text, owner text, session text, epoch text, is_erasure boolean, created_at timestamptz, base_rev bigint, rev bigint,
    is_replaced boolean, head_seq integer, through_seq integer, metadata jsonb, set_aside text, summaries json,
    ended_items json, items json, messages_after integer, messages json, suspects json
  );
  PERFORM set_config('threadkeep.tenant', c.tenant, true);

  -- The row must exist to be locked; revision 0 is older than every write.
  INSERT INTO public.sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at)
  VALUES (c.tenant, c.owner, c.session, c.epoch, 0, c.head_seq, c.through_seq, c.created_at)
  ON CONFLICT DO NOTHING;
  SELECT s.epoch, s.rev, s.created_at, s.erased_at, s.rows_set_aside INTO STRICT held
  FROM public.sessions AS s
  WHERE s.tenant = c.tenant AND s.owner = c.owner AND s.session = c.session
  FOR UPDATE;

  -- The epoch of an erased user already has a tombstone, without a name. The look must come after the lock; otherwise a
  -- write could slip past the user's erasure.
  IF c.owner <> '-' AND EXISTS (
    SELECT FROM public.sessions AS s WHERE s.tenant = c.tenant AND s.owner = '' AND s.session = c.epoch
  ) THEN
    DELETE FROM public.sessions AS s
    WHERE s.tenant = c.tenant AND s.owner = c.owner AND s.session = c.session AND s.epoch = c.epoch;
    RETURN CASE WHEN c.is_erasure THEN '"applied"' ELSE '"stale"' END;
  END IF;

  IF c.is_erasure THEN
    gone := ARRAY[c.epoch];
    -- A row of an earlier epoch would let a late write of this epoch pass.
    IF held.epoch <> c.epoch AND held.created_at < c.created_at THEN
      gone := gone || held.epoch;
    END IF;
  ELSIF held.epoch = c.epoch THEN
    IF held.erased_at IS NOT NULL THEN
      RETURN '"stale"';
    ELSIF held.rev >= c.rev THEN
      RETURN CASE WHEN held.rows_set_aside = 0 THEN '"stale"' ELSE public.count_set_aside(c.epoch, most_named) END;
    ELSIF held.rev < c.base_rev THEN
      RETURN '"behind"';
    END IF;
  ELSIF held.created_at >= c.created_at THEN
    RETURN json_build_object('outrankedBy', round(extract(epoch FROM held.created_at) * 1000));
  ELSIF c.base_rev > 0 THEN
    RETURN '"behind"';
  ELSE
    gone := ARRAY[held.epoch];
  END IF;

  DELETE FROM public.messages WHERE epoch = ANY (gone);
  DELETE FROM public.summaries WHERE epoch = ANY (gone);
  DELETE FROM public.summary_items WHERE epoch = ANY (gone);
  IF c.is_erasure THEN
    -- The row stays as a tombstone without content, so that a late write finds it and changes nothing.
    UPDATE public.sessions AS s SET
      head_seq = 0, through_seq = 0, metadata = '{}', set_aside = NULL, rows_set_aside = 0, erased_at = now(),
      rev = CASE WHEN s.epoch = c.epoch THEN s.rev ELSE 0 END,
      created_at = CASE WHEN s.epoch = c.epoch THEN s.created_at ELSE c.created_at END,
      epoch = c.epoch
    WHERE s.tenant = c.tenant AND s.owner = c.owner AND s.session = c.session AND (s.epoch = c.epoch OR s.epoch = ANY (gone));
    RETURN '"applied"';
  END IF;

  IF c.is_replaced THEN
    DELETE FROM public.summaries WHERE epoch = c.epoch;
    DELETE FROM public.summary_items WHERE epoch = c.epoch;
  END IF;
  UPDATE public.sessions AS s SET
    epoch = c.epoch, rev = c.rev, head_seq = c.head_seq, through_seq = c.through_seq, metadata = coalesce(c.metadata, '{}'),
    set_aside = NULL, created_at = c.created_at, erased_at = NULL, archived_at = now()
  WHERE s.tenant = c.tenant AND s.owner = c.owner AND s.session = c.session;
  PERFORM public.archive_rows(c.tenant, c.owner, c.epoch, 'summaries', c.summaries);
  DELETE FROM public.summary_items AS i
  USING json_to_recordset(c.ended_items) AS e (item_id text, from_version integer)
  WHERE i.epoch = c.epoch AND i.item_id = e.item_id AND i.from_version = e.from_version;
  PERFORM public.archive_rows(c.tenant, c.owner, c.epoch, 'summary_items', c.items);
  IF c.messages IS NOT NULL THEN
    DELETE FROM public.messages WHERE epoch = c.epoch AND seq > c.messages_after;
    PERFORM public.archive_rows(c.tenant, c.owner, c.epoch, 'messages', c.messages);
  END IF;
  IF c.suspects IS NULL AND held.rows_set_aside = 0 THEN
    RETURN '"applied"';
  END IF;

  -- Rows of a change that was refused come one by one, each as a text that only this block reads, with what is stored in
  -- its place.
  FOR suspect IN SELECT * FROM json_to_recordset(c.suspects) AS r (into_table text, given text, bare json) LOOP
    BEGIN
      IF suspect.into_table = 'sessions' THEN
        UPDATE public.sessions SET metadata = suspect.given::jsonb WHERE epoch = c.epoch;
      ELSE
        PERFORM public.archive_rows(
          c.tenant, c.owner, c.epoch, suspect.into_table, ('[' || suspect.given || ']')::json
        );
      END IF;
    EXCEPTION
      WHEN data_exception OR integrity_constraint_violation OR program_limit_exceeded THEN
        IF suspect.into_table = 'sessions' THEN
          UPDATE public.sessions SET set_aside = SQLSTATE WHERE epoch = c.epoch;
        ELSE
          PERFORM public.archive_rows(
            c.tenant, c.owner, c.epoch, suspect.into_table,
            json_build_array(suspect.bare::jsonb || jsonb_build_object('set_aside', SQLSTATE))
          );
        END IF;
    END;
  END LOOP;
  RETURN public.count_set_aside(c.epoch, most_named);
END
$$;
--> statement-breakpoint
-- Applies the changes of many sessions, in their order, and returns a result for each. A change that fails is undone alone:
-- each has a block of its own, which is a savepoint. What would fail for every session is raised, so that the whole batch is
-- delivered again: a read-only server, too few resources, a server that stops, a system error. A statement that takes too
-- long ends the whole batch as well.
CREATE FUNCTION archive_sessions(changes json) RETURNS SETOF json
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  change json;
  before CONSTANT text := coalesce(current_setting('threadkeep.tenant', true), '');
BEGIN
  FOR change IN SELECT e.value FROM json_array_elements(changes) WITH ORDINALITY AS e (value, nth) ORDER BY e.nth LOOP
    BEGIN
      RETURN NEXT public.archive_session(change);
    EXCEPTION
      WHEN OTHERS THEN
        IF left(SQLSTATE, 2) IN ('25', '53', '57', '58') THEN
          RAISE;
        END IF;
        -- Without the message, which may quote what was said.
        RETURN NEXT json_build_object('refused', SQLSTATE);
    END;
  END LOOP;
  -- What a change named as its tenant ends here. A clause SET of the function would need rights that its owner may lack.
  PERFORM set_config('threadkeep.tenant', before, true);
END
$$;
