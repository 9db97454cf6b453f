import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { openDialogs, problem } from "../state/problem.ts";
import { ProblemLine } from "./problem-line.tsx";

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly isWide?: boolean;
}

/** A modal dialog of the browser: it keeps the focus inside, Escape closes it, and the focus returns to what opened it. */
export function Dialog({ title, onClose, children, isWide = false }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const opener = document.activeElement;
    element.current?.showModal();
    // An earlier error is not about this dialog.
    problem.value = "";
    openDialogs.value += 1;
    return () => {
      openDialogs.value -= 1;
      // The browser returns the focus only if the dialog is closed, not if it is removed. Until it is gone, nothing behind it takes the focus.
      queueMicrotask(() => {
        if (opener instanceof HTMLElement && document.activeElement === document.body) opener.focus();
      });
    };
  }, []);
  return (
    <dialog ref={element} class={isWide ? "is-wide" : ""} onClose={onClose} aria-label={title}>
      <div class="dialog-head">
        <h2>{title}</h2>
        <button type="button" class="quiet" onClick={() => element.current?.close()} aria-label="Close">
          ✕
        </button>
      </div>
      <ProblemLine />
      {children}
    </dialog>
  );
}
