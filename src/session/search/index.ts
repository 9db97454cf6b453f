export { nearItems } from "./meaning.ts";
export { questionOf, retrieveForContext, searchMessages, soughtText } from "./retrieve.ts";
export { SearchIndex } from "./text-index.ts";
export { VectorStore } from "./vector-store.ts";
export type { OwnedVector, VectorOwner } from "./vector-store.ts";
