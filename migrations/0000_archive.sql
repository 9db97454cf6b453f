-- Splits a text into terms, for the index and for queries alike: lower case without accents, English words as stems,
-- scripts without spaces as pairs of characters, with the last character of a run also alone. It does not use the
-- server's own parser, which does not know Chinese and depends on the locale, and needs no extension. Only max_said
-- characters of a text are read, as many as a query may have, and at most twice that after unfolding, because one
-- character may unfold into 18. The time is linear.
CREATE FUNCTION memory_terms(said text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
  -- Thai, Lao, Myanmar, Khmer, kana, Han, and Hangul, whose particles are attached to the noun.
  unspaced CONSTANT text := '[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]';
  separators CONSTANT text := '[[:space:][:punct:][:cntrl:]$+<=>^`|~]+';
  -- Latin, Greek and Cyrillic accents, and Arabic vowel signs. Vowel signs of Indic scripts are not included, because
  -- they change the meaning.
  marks CONSTANT text := '[\u0300-\u036f\u0640\u064b-\u065f\u0670]';
  -- A lexeme may have 2,046 bytes. Anything longer than a word is encoded data.
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
--> statement-breakpoint
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
-- For events whose month has no partition yet, so that no event is ever refused.
CREATE TABLE "audit_events_default" PARTITION OF "audit_events" DEFAULT;
--> statement-breakpoint
ALTER TABLE "audit_events" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE TABLE "messages" (
	"epoch" text NOT NULL,
	"seq" integer NOT NULL,
	"id" text NOT NULL,
	"after_seq" integer,
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
	"set_aside" text,
	CONSTRAINT "messages_epoch_seq_pk" PRIMARY KEY("epoch","seq")
);
--> statement-breakpoint
ALTER TABLE "messages" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE TABLE "sessions" (
	"tenant" text NOT NULL,
	"owner" text NOT NULL,
	"session" text NOT NULL,
	"epoch" text NOT NULL,
	"rev" bigint NOT NULL,
	"head_seq" integer NOT NULL,
	"through_seq" integer NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"archived_at" timestamp with time zone DEFAULT now() NOT NULL,
	"erased_at" timestamp with time zone,
	"set_aside" text,
	"rows_set_aside" integer DEFAULT 0 NOT NULL,
	CONSTRAINT "sessions_tenant_owner_session_pk" PRIMARY KEY("tenant","owner","session")
);
--> statement-breakpoint
ALTER TABLE "sessions" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
CREATE TABLE "summaries" (
	"epoch" text NOT NULL,
	"version" integer NOT NULL,
	"through_seq" integer NOT NULL,
	"tokens" integer NOT NULL,
	"summarizer" text NOT NULL,
	"degraded" boolean NOT NULL,
	"dropped_items" integer NOT NULL,
	"usage" jsonb,
	"created_at" timestamp with time zone NOT NULL,
	"set_aside" text,
	"tenant" text NOT NULL,
	CONSTRAINT "summaries_epoch_version_pk" PRIMARY KEY("epoch","version")
);
--> statement-breakpoint
ALTER TABLE "summaries" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
-- The items of a session are written while its row in "sessions" is locked, and archive_rows leaves out those that are there
-- already: a unique index over each item would take more bytes than the short index by epoch that every read uses.
CREATE TABLE "summary_items" (
	"made_at" timestamp with time zone DEFAULT now() NOT NULL,
	"from_version" integer NOT NULL,
	"epoch" text NOT NULL,
	"item_id" text NOT NULL,
	"kind" text NOT NULL,
	"text" text NOT NULL,
	"source_seqs" integer[] NOT NULL,
	"source_session" text,
	"source_epoch" text,
	"status" text NOT NULL,
	"tenant" text NOT NULL,
	"owner" text NOT NULL,
	"set_aside" text
);
--> statement-breakpoint
ALTER TABLE "summary_items" ENABLE ROW LEVEL SECURITY;
--> statement-breakpoint
-- Without the id: events of the same millisecond are few, and are sorted when they are read. Nearly all events are appends
-- that succeeded, and the newest of these are found by the primary key alone.
CREATE INDEX "audit_events_tenant" ON "audit_events" USING btree ("tenant","at");
--> statement-breakpoint
CREATE INDEX "audit_events_user" ON "audit_events" USING btree ("user","at") WHERE "user" is not null;
--> statement-breakpoint
CREATE INDEX "audit_events_session" ON "audit_events" USING btree ("session","at") WHERE "session" is not null;
--> statement-breakpoint
CREATE INDEX "audit_events_actor" ON "audit_events" USING btree ("actor","at");
--> statement-breakpoint
CREATE INDEX "audit_events_action" ON "audit_events" USING btree ("action","at") WHERE "action" <> 'appendMessages';
--> statement-breakpoint
CREATE INDEX "audit_events_result" ON "audit_events" USING btree ("result","at") WHERE "result" <> 'ok';
--> statement-breakpoint
CREATE INDEX "sessions_epoch" ON "sessions" USING btree ("epoch");
--> statement-breakpoint
CREATE INDEX "summary_items_epoch" ON "summary_items" USING btree ("epoch");
--> statement-breakpoint
-- The terms of each item, and its owner as one more term, with a slash, which no term of a text has. So the index finds one
-- owner's items without reading those of others. The terms are only in the index: in the row they would take as many bytes
-- as everything else. Without fastupdate, because each search would have to read the list of entries that wait to be
-- indexed, and the planner would avoid the index.
CREATE INDEX "summary_items_search" ON "summary_items" USING gin (array_to_tsvector(memory_terms("text") || (("tenant" || '/'::text) || "owner"))) WITH (fastupdate=false);
--> statement-breakpoint
CREATE INDEX "summary_items_newest" ON "summary_items" USING btree ("tenant","owner","made_at" DESC NULLS FIRST);
