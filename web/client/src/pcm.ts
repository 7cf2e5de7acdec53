// Audio as the protocol sends it: 16-bit samples, little endian, in base64.

import { RATE } from "./rate";

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
