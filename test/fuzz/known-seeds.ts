/**
 * Seeds that once broke a promise, of 200 steps each. Add here what a new seed finds, once its fault is fixed. What a seed does depends on the simulation: after a
 * new kind of step all of them do something else, and older ones are then no better than new ones and are removed; the first one stays.
 */
export const KNOWN_SEEDS: readonly number[] = [
  1, 25, 57, 118, 129, 50_120, 50_174, 50_203, 50_666, 51_007, 51_365, 52_629, 53_182, 241_535, 310_839, 311_514,
  500_577, 951_076, 990_058, 809_211_418,
];
