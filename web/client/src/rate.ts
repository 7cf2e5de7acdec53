// A file of its own, so that what a page loads later does not need the rest of `pcm.ts`.

export const RATE = 24_000; // samples per second
