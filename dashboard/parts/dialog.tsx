// Boxes in front of the page: a dialog in the middle, a drawer at the side. Both are the browser's own <dialog>,
// which keeps the keyboard inside, closes with Escape and gives the focus back.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { common } from '../text.ts';
import { Toasts } from './toast.tsx';

export type DialogProps = {
  readonly title: ComponentChildren;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly kind?: 'dialog' | 'drawer';
  /** Buttons at the end. */
  readonly foot?: ComponentChildren;
};

export function Dialog({ title, onClose, children, kind = 'dialog', foot }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const box = element.current;
    box?.showModal();
    // What is taken away while it is open would keep the focus to itself.
    return () => box?.close();
  }, []);
  return (
    <dialog
      ref={element}
      class={kind}
      aria-labelledby={id}
      onClose={onClose}
      onPointerDown={(event) => {
        // Beside the box, which is the backdrop.
        if (event.target === element.current) element.current?.close();
      }}
    >
      <div class="dialog-inside">
        <header class="dialog-head">
          <h2 id={id}>{title}</h2>
          <button type="button" class="icon-button" onClick={() => element.current?.close()}>
            <span aria-hidden="true">✕</span>
            <span class="unseen">{common().close}</span>
          </button>
        </header>
        <div class="dialog-body">{children}</div>
        {/* The others cannot be reached while this is in front. */}
        {kind === 'drawer' ? <Toasts /> : null}
        {foot === undefined ? null : <footer class="dialog-foot">{foot}</footer>}
      </div>
    </dialog>
  );
}
