// A sheet over the page, at its left or right edge. The browser keeps the focus inside, and Escape closes it.

import { type ReactNode, useEffect, useRef } from "react";
import { CloseSymbol } from "./icons";
import { IconButton } from "./TopBar";

interface Props {
  title: string;
  side: "left" | "right" | "middle";
  open: boolean;
  closeLabel: string;
  onClose: () => void;
  children: ReactNode;
}

/** Show the children while `open`. */
export function Dialog({ title, side, open, closeLabel, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open && !dialog.current?.open) dialog.current?.showModal();
    if (!open && dialog.current?.open) dialog.current.close();
  }, [open]);
  return (
    <dialog
      ref={dialog}
      className={`sheet ${side}`}
      aria-label={title}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === dialog.current) dialog.current.close(); // beside the sheet
      }}
    >
      {open && (
        <div className="sheet-content">
          <header>
            <h2>{title}</h2>
            <IconButton label={closeLabel} onClick={() => dialog.current?.close()}>
              <CloseSymbol />
            </IconButton>
          </header>
          {children}
        </div>
      )}
    </dialog>
  );
}
