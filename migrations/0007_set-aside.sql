ALTER TABLE "messages" ADD COLUMN "set_aside" text;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "set_aside" text;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "rows_set_aside" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "summaries" ADD COLUMN "set_aside" text;--> statement-breakpoint
ALTER TABLE "summary_items" ADD COLUMN "set_aside" text;