import { MAX_DIMENSIONS } from "../api/embedding.ts";
import { ProviderError } from "../provider/provider-error.ts";

/**
 * Validates the vectors of an answer and scales them to length 1, so that the dot product of two is their cosine. There
 * must be one vector per text, all with the same number of dimensions, and every number must be finite.
 *
 * @throws {ProviderError}
 */
export function readVectors(answer: readonly unknown[], texts: number): Float32Array[] {
  if (answer.length !== texts) throw invalid(`${answer.length} vectors for ${texts} texts`);
  const vectors = answer.map(readVector);
  const dimensions = vectors[0]?.length ?? 0;
  for (const { length } of vectors) {
    if (length !== dimensions) throw invalid(`vectors of ${dimensions} and of ${length} dimensions in one answer`);
  }
  return vectors;
}

function readVector(entry: unknown): Float32Array {
  const given: readonly unknown[] | null = Array.isArray(entry) || entry instanceof Float32Array ? [...entry] : null;
  if (given === null) throw invalid("a vector that is no list of numbers");
  if (given.length === 0 || given.length > MAX_DIMENSIONS) {
    throw invalid(`a vector of ${given.length} dimensions, where 1 to ${MAX_DIMENSIONS} are taken`);
  }
  const numbers = given.map((value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) throw invalid("a vector with an entry that is no number");
    return value;
  });
  const length = Math.hypot(...numbers);
  if (!(length > 0) || !Number.isFinite(length)) throw invalid("a vector without a direction");
  return Float32Array.from(numbers, (value) => value / length);
}

function invalid(detail: string): ProviderError {
  return new ProviderError("invalid_answer", detail);
}
