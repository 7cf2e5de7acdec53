// A button that copies a text, and says whether that worked.

import { useState } from "react";

interface Props {
  texts: { copy: string; copied: string; notCopied: string };
  /** Return the text to copy. */
  text: () => string;
}

export function Copy({ texts, text }: Props) {
  const [told, setTold] = useState("");
  const copy = () => {
    const copied = navigator.clipboard?.writeText(text()) ?? Promise.reject(new Error("insecure"));
    copied.then(
      () => setTold(texts.copied),
      () => setTold(texts.notCopied),
    );
  };
  return (
    <p className="copy">
      <button type="button" className="secondary" onClick={copy}>
        {texts.copy}
      </button>
      <span aria-live="polite">{told}</span>
    </p>
  );
}
