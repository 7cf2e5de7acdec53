// Audio as the protocol sends it: 16-bit samples, little endian, in base64.

export const RATE = 24_000; // samples per second

/** Encode samples as base64. */
export function encode(pcm: Int16Array): string {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** Decode base64 to samples. An odd last byte is dropped. */
export function decode(base64: string): Int16Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length & ~1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new Int16Array(bytes.buffer);
}

export const milliseconds = (samples: number, rate = RATE): number => (samples * 1000) / rate;

/** Return the loudness of samples, from 0 (-50 dB and less) to 1 (-8 dB and more). `full` is full scale. */
export function loudness(samples: ArrayLike<number>, full: number): number {
  let sum = 0;
  for (let i = 0; i < samples.length; i++) sum += (samples[i]! / full) ** 2;
  const db = 10 * Math.log10(sum / Math.max(1, samples.length) + 1e-9);
  return Math.min(1, Math.max(0, (db + 50) / 42));
}
