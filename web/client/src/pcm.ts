// Sound on the wire: 16-bit samples, little endian, in base64.

export const RATE = 24_000;

export function encode(pcm: Int16Array): string {
  const bytes = new Uint8Array(pcm.buffer, pcm.byteOffset, pcm.byteLength);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

export function decode(base64: string): Int16Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length & ~1);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return new Int16Array(bytes.buffer);
}

export const milliseconds = (samples: number, rate = RATE): number => (samples * 1000) / rate;

/** How loud a piece of sound is, 0 to 1, on a scale that suits speech: -50 dB is 0. */
export function loudness(sound: ArrayLike<number>, full: number): number {
  let sum = 0;
  for (let i = 0; i < sound.length; i++) sum += (sound[i]! / full) ** 2;
  const db = 10 * Math.log10(sum / Math.max(1, sound.length) + 1e-9);
  return Math.min(1, Math.max(0, (db + 50) / 42));
}
