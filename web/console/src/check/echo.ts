// How much of its own tones a device hears: the energy at the frequencies of the tones, while they play and
// before. Goertzel's algorithm gives the energy at one frequency.

/** In Hz: apart from each other, and from the hum of the mains. */
export const TONES = [523, 784, 1175] as const;

/** Return the energy of `samples` at one frequency, 0 to 1 for a sine of that amplitude. */
export function toneEnergy(samples: Float32Array, rate: number, frequency: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * frequency) / rate);
  let before = 0;
  let last = 0;
  for (const sample of samples) [before, last] = [last, sample + turn * last - before];
  const power = last * last + before * before - turn * last * before;
  return (4 * Math.max(0, power)) / samples.length ** 2;
}

const FLOOR = 1e-9; // -90 dB

/** Return by how many dB the tones are louder in `during` than in `quiet`. 0 or less: they are not heard. */
export function echoDb(quiet: Float32Array, during: Float32Array, rate: number): number {
  const loudness = (samples: Float32Array) =>
    TONES.reduce((sum, tone) => sum + toneEnergy(samples, rate, tone), FLOOR);
  return Math.round(10 * Math.log10(loudness(during) / loudness(quiet)));
}

/** An echo that a speech detector may take for the user. */
export const LOUD_ECHO_DB = 20;
export const SOME_ECHO_DB = 8;
