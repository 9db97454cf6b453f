CREATE TABLE "sessions" (
	"tenant" text NOT NULL,
	"owner" text NOT NULL,
	"session" text NOT NULL,
	"incarnation" text NOT NULL,
	"rev" bigint NOT NULL,
	"head_seq" integer NOT NULL,
	"through_seq" integer NOT NULL,
	"metadata" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"created_at" timestamp with time zone NOT NULL,
	"archived_at" timestamp with time zone DEFAULT now() NOT NULL,
	"erased_at" timestamp with time zone,
	CONSTRAINT "sessions_tenant_owner_session_pk" PRIMARY KEY("tenant","owner","session")
);
--> statement-breakpoint
ALTER TABLE "sessions" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "summaries" (
	"incarnation" text NOT NULL,
	"version" integer NOT NULL,
	"through_seq" integer NOT NULL,
	"tokens" integer NOT NULL,
	"summarizer" text NOT NULL,
	"degraded" boolean NOT NULL,
	"dropped_items" integer NOT NULL,
	"usage" jsonb,
	"created_at" timestamp with time zone NOT NULL,
	CONSTRAINT "summaries_incarnation_version_pk" PRIMARY KEY("incarnation","version")
);
--> statement-breakpoint
ALTER TABLE "summaries" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE TABLE "summary_items" (
	"incarnation" text NOT NULL,
	"item_id" text NOT NULL,
	"from_version" integer NOT NULL,
	"to_version" integer,
	"kind" text NOT NULL,
	"text" text NOT NULL,
	"source_seqs" integer[] NOT NULL,
	"status" text NOT NULL,
	CONSTRAINT "summary_items_incarnation_item_id_from_version_pk" PRIMARY KEY("incarnation","item_id","from_version")
);
--> statement-breakpoint
ALTER TABLE "summary_items" ENABLE ROW LEVEL SECURITY;--> statement-breakpoint
CREATE INDEX "sessions_incarnation" ON "sessions" USING btree ("incarnation");