-- The terms of a text, for the index and for a query alike: lower case without accents, English words by their stem, scripts that
-- leave no spaces as pairs of characters, the last of a run alone as well. It leaves nothing to the server's own parser, which
-- knows no Chinese and goes by the locale, and it needs no extension.
CREATE FUNCTION memory_terms(said text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Thai, Lao, Myanmar, Khmer, kana, Han, and Hangul, whose particles stick to the noun.
  unspaced CONSTANT text := '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]';
  separators CONSTANT text := '[[:space:][:punct:][:cntrl:]$+<=>^`|~]+';
  -- Latin, Greek and Cyrillic accents, Arabic vowel signs. Vowel signs of Indic scripts carry meaning.
  marks CONSTANT text := '[\u0300-\u036f\u0640\u064b-\u065f\u0670]';
  -- A lexeme has room for 2,046 bytes; what is longer than a word is encoded data anyway.
  max_length CONSTANT integer := 64;
  folded CONSTANT text := lower(normalize(regexp_replace(normalize(said, NFKD), marks, '', 'g'), NFC));
  word text;
  terms text[] := '{}';
BEGIN
  FOREACH word IN ARRAY regexp_split_to_array(regexp_replace(folded, unspaced || '+', ' \& ', 'g'), separators) LOOP
    CONTINUE WHEN word = '';
    IF word ~ ('^' || unspaced) THEN
      FOR at IN 1 .. char_length(word) LOOP
        terms := terms || substr(word, at, 2);
      END LOOP;
    ELSE
      word := left(word, max_length);
      terms := terms || coalesce((ts_lexize('pg_catalog.english_stem', word))[1], word);
    END IF;
  END LOOP;
  RETURN terms;
END
$$;
--> statement-breakpoint
ALTER TABLE "summary_items" ADD COLUMN "tenant" text DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "summary_items" ADD COLUMN "owner" text DEFAULT '' NOT NULL;
--> statement-breakpoint
ALTER TABLE "summary_items" ADD COLUMN "made_at" timestamp with time zone DEFAULT now() NOT NULL;
--> statement-breakpoint
UPDATE "summary_items" AS i SET
  "tenant" = s."tenant",
  "owner" = s."owner",
  "made_at" = coalesce(
    (SELECT v."created_at" FROM "summaries" AS v WHERE v."incarnation" = i."incarnation" AND v."version" = i."from_version"),
    s."archived_at"
  )
FROM "sessions" AS s WHERE s."incarnation" = i."incarnation";
--> statement-breakpoint
-- A Worker of the version before, which runs on while this is deployed and after a rollback, does not say whose an item is.
CREATE FUNCTION place_summary_item() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  SELECT coalesce(max(s.tenant), ''), coalesce(max(s.owner), '') INTO NEW.tenant, NEW.owner
  FROM public.sessions AS s WHERE s.incarnation = NEW.incarnation;
  RETURN NEW;
END
$$;
--> statement-breakpoint
CREATE TRIGGER "summary_items_place" BEFORE INSERT ON "summary_items"
FOR EACH ROW WHEN (NEW."tenant" = '') EXECUTE FUNCTION place_summary_item();
--> statement-breakpoint
-- The owner stands among the terms, with a slash that no term of a text has: the text index then answers for one owner without a
-- look at the others.
ALTER TABLE "summary_items" ADD COLUMN "search" "tsvector" GENERATED ALWAYS AS (array_to_tsvector(memory_terms("text") || (("tenant" || '/'::text) || "owner"))) STORED;
--> statement-breakpoint
-- Without fastupdate: each search would read the list of what waits to be indexed, and take the planner away from the index.
CREATE INDEX "summary_items_search" ON "summary_items" USING gin ("search") WITH (fastupdate=false) WHERE "to_version" is null;
--> statement-breakpoint
CREATE INDEX "summary_items_newest" ON "summary_items" USING btree ("tenant","owner","made_at" DESC) WHERE "to_version" is null;
--> statement-breakpoint
-- The current items of one owner that match a query, best first. It filters by tenant and owner itself, as its owner: under a
-- policy that says anything the text index goes unused, because @@ is not leakproof.
--
-- What a query costs is bound, however much an owner has. Terms are looked up in the index from the rarest on, at_most items each;
-- how rare they are is what ANALYZE saw. Where the index would have to read too much, because the term is common and the owner
-- large, and from a term on that at_most items of this owner have, the owner's newest items stand for all.
CREATE FUNCTION search_memory(
  of_tenant text, of_owner text, query text, of_kinds text[], of_statuses text[], of_sessions text[], most integer, skipped integer
)
RETURNS TABLE (
  session text, incarnation text, item_id text, kind text, "text" text, source_seqs integer[], source_session text,
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
  -- Entries of the index that one term may cost: reading so many takes a few milliseconds.
  max_entries CONSTANT integer := 20000;
  -- Of a term that is not looked up.
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
    SELECT coalesce(array_agg(s.incarnation), '{}') INTO lives FROM public.sessions AS s
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
    -- Stop words, and single characters of scripts without spaces, say something only where there is nothing else.
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
        WHERE i.to_version IS NULL AND i.search @@ (place && terms[nth])
          AND (of_kinds IS NULL OR i.kind = ANY (of_kinds))
          AND (of_statuses IS NULL OR i.status = ANY (of_statuses))
          AND (lives IS NULL OR i.incarnation = ANY (lives))
        LIMIT at_most
      ) AS found;
      candidates := candidates || hits;
      weights[nth] := ln(1 + at_most / (1.0 + cardinality(hits)));
      CONTINUE WHEN cardinality(hits) < at_most;
    END IF;
    -- Terms after this one are at least as common.
    SELECT string_agg(t.term::text, ' | ')::tsquery INTO common FROM unnest(terms[nth:]) AS t (term);
    SELECT candidates || coalesce(array_agg(matched.ctid), '{}') INTO candidates
    FROM (
      SELECT newest.ctid
      FROM (
        SELECT i.ctid, i.search, i.kind, i.status, i.incarnation, i.made_at FROM public.summary_items AS i
        WHERE i.to_version IS NULL AND i.tenant = of_tenant AND i.owner = of_owner
        ORDER BY i.made_at DESC LIMIT window_size
      ) AS newest
      WHERE newest.search @@ common
        AND (of_kinds IS NULL OR newest.kind = ANY (of_kinds))
        AND (of_statuses IS NULL OR newest.status = ANY (of_statuses))
        AND (lives IS NULL OR newest.incarnation = ANY (lives))
      ORDER BY ts_rank(newest.search, common) DESC, newest.made_at DESC LIMIT at_most
    ) AS matched;
    EXIT;
  END LOOP;

  RETURN QUERY
  -- Materialized, so that the rows are read by their place, and no index of the owner is read for them.
  WITH candidate AS MATERIALIZED (SELECT i.* FROM public.summary_items AS i WHERE i.ctid = ANY (candidates))
  SELECT s.session, i.incarnation, i.item_id, i.kind, i.text, i.source_seqs, i.source_session, i.status, i.made_at,
    (SELECT sum(w.weight) FROM unnest(terms, weights) AS w (term, weight) WHERE i.search @@ w.term) AS score
  FROM candidate AS i
  JOIN public.sessions AS s ON s.incarnation = i.incarnation
  WHERE s.tenant = of_tenant AND s.owner = of_owner AND s.erased_at IS NULL
    AND i.tenant = of_tenant AND i.owner = of_owner AND i.to_version IS NULL
  ORDER BY score DESC, i.made_at DESC, s.session, i.item_id
  LIMIT most OFFSET skipped;
END
$$;
--> statement-breakpoint
-- The Worker alone may search: this answers for whatever tenant it is asked for. Supabase grants every new function to the roles
-- of its API, so what PUBLIC loses is not enough.
REVOKE ALL ON FUNCTION search_memory(text, text, text, text[], text[], text[], integer, integer) FROM PUBLIC;
--> statement-breakpoint
GRANT EXECUTE ON FUNCTION search_memory(text, text, text, text[], text[], text[], integer, integer) TO threadkeep_worker;
