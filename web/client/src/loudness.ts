// How loud samples are, for meters.

/** Return the loudness of samples, from 0 (-50 dB and less) to 1 (-8 dB and more). `full` is full scale. */
export function loudness(samples: ArrayLike<number>, full: number): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i]! / full) ** 2;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-9);
  return Math.min(1, Math.max(0, (db + 50) / 42));
}
