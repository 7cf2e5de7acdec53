// Let an element glide from where it was to where the new layout puts it.

import { type RefObject, useLayoutEffect, useRef } from "react";

const GLIDE_MS = 520;

/** Animate the element of `ref` whenever `layout` changes. */
export function useGlide(ref: RefObject<HTMLElement | null>, layout: string): void {
  const last = useRef(layout);
  const before = useRef<DOMRect>(undefined);
  // While React renders, the page still has the old layout.
  if (last.current !== layout) before.current = ref.current?.getBoundingClientRect();
  useLayoutEffect(() => {
    if (last.current === layout) return;
    last.current = layout;
    const from = before.current;
    const to = ref.current?.getBoundingClientRect();
    if (!from?.width || !to?.width) return;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const x = from.x + from.width / 2 - to.x - to.width / 2;
    const y = from.y + from.height / 2 - to.y - to.height / 2;
    const place = `translate(${x}px, ${y}px) scale(${from.width / to.width})`;
    ref.current!.animate([{ transform: place }, { transform: "none" }], {
      duration: GLIDE_MS,
      easing: "cubic-bezier(0.22, 0.9, 0.24, 1)",
    });
  }, [ref, layout]);
}
