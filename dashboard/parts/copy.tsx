// A line that is to be copied: a command, a record as JSON.

import { useState } from 'preact/hooks';
import { common } from '../text.ts';

export function CopyLine({ text, label }: { readonly text: string; readonly label?: string }) {
  return (
    <div class="copy-line">
      {label === undefined ? null : <span class="muted">{label}</span>}
      <code>{text}</code>
      <CopyButton text={() => text} />
    </div>
  );
}

export function CopyButton({
  text,
  label,
}: {
  /** Asked for when it is pressed. */
  readonly text: () => string;
  readonly label?: string;
}) {
  const [isDone, setDone] = useState(false);
  return (
    <button
      type="button"
      class="small-button"
      onClick={() => {
        copy(text());
        setDone(true);
        setTimeout(() => setDone(false), 1500);
      }}
    >
      {isDone ? common().copied : (label ?? common().copy)}
    </button>
  );
}

function copy(text: string): void {
  // Only where the page is served by HTTPS or from this machine.
  if (navigator.clipboard !== undefined) {
    void navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  (document.querySelector('dialog[open]') ?? document.body).append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}
