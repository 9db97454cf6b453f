ALTER TABLE "summaries" ADD COLUMN "tenant" text DEFAULT '' NOT NULL;
--> statement-breakpoint
UPDATE "summaries" AS v SET "tenant" = s."tenant" FROM "sessions" AS s WHERE s."incarnation" = v."incarnation";
--> statement-breakpoint
-- The Worker's role is held to the tenant that its transaction names (threadkeep.tenant). What goes over all tenants says so by a name of
-- its own (threadkeep.across_tenants). A transaction that says neither sees nothing and writes nothing. A setting that was made for one
-- transaction is empty after it, and not null.
DO $$
DECLARE
  held text;
  reach CONSTANT text := '"tenant" = (SELECT nullif(current_setting(''threadkeep.tenant'', true), ''''))'
    || ' OR (SELECT coalesce(current_setting(''threadkeep.across_tenants'', true), '''') <> '''')';
BEGIN
  FOREACH held IN ARRAY ARRAY['sessions', 'summaries', 'summary_items', 'messages'] LOOP
    EXECUTE format('ALTER POLICY "worker" ON %I USING (%s) WITH CHECK (%s)', held, reach, reach);
  END LOOP;
  EXECUTE format('ALTER POLICY "worker_reads" ON "audit_events" USING (%s)', reach);
  EXECUTE format('ALTER POLICY "worker_adds" ON "audit_events" WITH CHECK (%s)', reach);
END
$$;
--> statement-breakpoint
-- anon and service_role have nothing to do with these tables and functions, and authenticated reads its own rows (0004, 0006) and no more.
-- Supabase grants all three of them everything on whatever is made in this schema, and service_role passes every policy.
REVOKE ALL ON FUNCTION memory_claim FROM PUBLIC;
--> statement-breakpoint
DO $$
DECLARE
  reader text;
  held regclass;
BEGIN
  FOR reader IN SELECT rolname FROM pg_roles WHERE rolname IN ('anon', 'authenticated', 'service_role') LOOP
    FOR held IN
      SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public'
        AND (c.relname IN ('sessions', 'summaries', 'summary_items', 'messages') OR c.relname ~ '^audit_events(_|$)')
        AND c.relkind IN ('r', 'p')
    LOOP
      EXECUTE format('REVOKE ALL ON %s FROM %I', held, reader);
    END LOOP;
    EXECUTE format('REVOKE ALL ON FUNCTION search_memory, memory_terms, place_summary_item, retain_audit, memory_claim FROM %I', reader);
  END LOOP;
END
$$;
--> statement-breakpoint
GRANT SELECT ON "sessions", "summaries", "summary_items", "messages" TO authenticated;
--> statement-breakpoint
-- The policies call it.
GRANT EXECUTE ON FUNCTION memory_claim TO authenticated;
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
-- The same terms as before, in time that grows with the text: a character is looked up by its number, and no longer counted off from the
-- beginning. A text is read as far as a query may be long, and no further than twice that once it is unfolded: one character may stand for 18.
CREATE OR REPLACE FUNCTION memory_terms(said text) RETURNS text[]
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
  max_said CONSTANT integer := 10000;
  max_folded CONSTANT integer := 20000;
  folded CONSTANT text := left(
    lower(normalize(regexp_replace(normalize(left(said, max_said), NFKD), marks, '', 'g'), NFC)), max_folded
  );
  word text;
  characters text[];
  terms text[] := '{}';
BEGIN
  FOREACH word IN ARRAY regexp_split_to_array(regexp_replace(folded, unspaced || '+', ' \& ', 'g'), separators) LOOP
    CONTINUE WHEN word = '';
    IF word ~ ('^' || unspaced) THEN
      characters := string_to_array(word, NULL);
      FOR at IN 1 .. cardinality(characters) LOOP
        terms := terms || (characters[at] || coalesce(characters[at + 1], ''));
      END LOOP;
    ELSE
      word := left(word, max_length);
      terms := terms || coalesce((ts_lexize('pg_catalog.english_stem', word))[1], word);
    END IF;
  END LOOP;
  RETURN terms;
END
$$;
