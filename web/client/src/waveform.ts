// Audio as a page draws it and as a file has it.

import { RATE } from "./rate";

/** Return the loudest sample of each of `count` equal parts, 0 to 1, to draw a waveform. */
export function peaks(pcm: Int16Array, count: number): number[] {
  const part = pcm.length / count;
  return Array.from({ length: count }, (_, i) => {
    let peak = 0;
    for (const sample of pcm.subarray(Math.floor(i * part), Math.ceil((i + 1) * part)))
      peak = Math.max(peak, Math.abs(sample));
    return Math.min(1, peak / 32767);
  });
}

/** Return a WAV file of 24 kHz PCM16, to play or to save. */
export function wav(pcm: Int16Array<ArrayBuffer>): Blob {
  const header = new DataView(new ArrayBuffer(44));
  const text = (at: number, letters: string) =>
    [...letters].forEach((letter, i) => header.setUint8(at + i, letter.charCodeAt(0)));
  const number = (at: number, value: number) => header.setUint32(at, value, true);
  text(0, "RIFF");
  number(4, 36 + pcm.byteLength);
  text(8, "WAVEfmt ");
  number(16, 16); // bytes of the format
  number(20, 0x0001_0001); // PCM, one channel
  number(24, RATE);
  number(28, RATE * 2); // bytes per second
  number(32, 0x0010_0002); // bytes per sample, bits per sample
  text(36, "data");
  number(40, pcm.byteLength);
  return new Blob([header, pcm], { type: "audio/wav" });
}
