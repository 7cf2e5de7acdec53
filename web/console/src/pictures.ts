// Pictures that the user adds to a message: read, and made small enough to send. Photos are encoded
// again, so the place in their metadata is not sent.

export type PictureProblem = "tooLarge" | "unreadable" | "tooMany";

/** Thrown for a file that cannot be sent. */
export class PictureError extends Error {
  constructor(readonly problem: PictureProblem) {
    super(problem);
  }
}

export const MAX_PICTURES = 4; // of one message

const FILE_BYTES = 25_000_000; // of a file, before it is made smaller
const SENT_BYTES = 1_000_000;
const SIDE = 2048; // pixels
const QUALITIES = [0.85, 0.7, 0.5];
const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** Return the size that fits into a square of `side` pixels. */
export function fitInto(side: number, width: number, height: number): [number, number] {
  const scale = Math.min(1, side / Math.max(width, height));
  return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
}

/** Read a picture as a data URL of PNG or JPEG. Throws a `PictureError`. */
export async function readPicture(file: Blob): Promise<string> {
  if (file.size > FILE_BYTES) throw new PictureError("tooLarge");
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new PictureError("unreadable");
  });
  try {
    const small = Math.max(bitmap.width, bitmap.height) <= SIDE && file.size <= SENT_BYTES;
    if (small && (await isPng(file))) return await dataUrl(new Blob([file], { type: "image/png" }));
    return await dataUrl(await encode(bitmap));
  } finally {
    bitmap.close();
  }
}

async function isPng(file: Blob): Promise<boolean> {
  const begin = new Uint8Array(await file.slice(0, PNG.length).arrayBuffer());
  return PNG.every((byte, i) => begin[i] === byte);
}

async function encode(bitmap: ImageBitmap): Promise<Blob> {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = fitInto(SIDE, bitmap.width, bitmap.height);
  const context = canvas.getContext("2d")!;
  context.fillStyle = "white"; // JPEG knows no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  for (const quality of QUALITIES) {
    const blob = await new Promise<Blob | null>((resolve) =>
      canvas.toBlob(resolve, "image/jpeg", quality),
    );
    if (blob && blob.size <= SENT_BYTES) return blob;
  }
  throw new PictureError("tooLarge");
}

function dataUrl(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result as string);
    reader.onerror = () => reject(new PictureError("unreadable"));
    reader.readAsDataURL(blob);
  });
}
