/** Searches all operations. Swagger UI's own field filters only by tag; this replaces the field and its filter. */

/** The part of Swagger UI's plugin interface that is used here. */
interface Fields {
  get(name: string): unknown;
}
interface Operations {
  filter(keep: (operation: Fields) => boolean): Operations;
  readonly size: number;
}
interface Tag {
  get(name: "operations"): Operations;
  set(name: "operations", operations: Operations): Tag;
}
interface Tags {
  map(change: (tag: Tag) => Tag): Tags;
  filter(keep: (tag: Tag) => boolean): Tags;
}
interface System {
  readonly React: { createElement(type: string, props: object, ...children: unknown[]): unknown };
}
interface FilterProps {
  readonly layoutSelectors: { currentFilter(): string | boolean | null };
  readonly layoutActions: { updateFilter(text: string | true): void };
}

const SEARCHED = ["operationId", "summary", "description"] as const;

export const searchPlugin = ({ React }: System): object => ({
  fn: {
    opsFilter: (tags: Tags, phrase: string): Tags => {
      const words = phrase.toLowerCase().split(/\s+/).filter(Boolean);
      const isFound = (operation: Fields): boolean => {
        const text = textOf(operation);
        return words.every((word) => text.includes(word));
      };
      return tags
        .map((tag) => tag.set("operations", tag.get("operations").filter(isFound)))
        .filter((tag) => tag.get("operations").size > 0);
    },
  },
  components: {
    FilterContainer: ({ layoutSelectors, layoutActions }: FilterProps): unknown => {
      const current = layoutSelectors.currentFilter();
      const label = React.createElement(
        "label",
        { className: "search" },
        "Search ",
        React.createElement("input", {
          type: "search",
          value: typeof current === "string" ? current : "",
          // `true` stands for an empty filter; with a false value Swagger UI would remove the field.
          onChange: ({ target }: { target: { value: string } }) => layoutActions.updateFilter(target.value || true),
        }),
      );
      return React.createElement("div", { role: "search" }, label);
    },
  },
});

function textOf(entry: Fields): string {
  const operation = entry.get("operation");
  const texts = [entry.get("method"), entry.get("path"), ...SEARCHED.map((name) => fieldOf(operation, name))];
  return texts
    .filter((text) => typeof text === "string")
    .join(" ")
    .toLowerCase();
}

function fieldOf(operation: unknown, name: string): unknown {
  const has = typeof operation === "object" && operation !== null && "get" in operation;
  return has && typeof operation.get === "function" ? operation.get(name) : undefined;
}
