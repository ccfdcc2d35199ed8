// Buttons that start something, with why they cannot be pressed where that is so; and what an instance prints.

import { useEffect, useState } from 'preact/hooks';
import type { OutputDocument, RunKind } from '../../../src/admin/contract.ts';
import { start } from '../../actions/action.ts';
import { call, textOf } from '../../live/api.ts';
import { mayRelease, session } from '../../live/session.ts';
import { Banner } from '../../parts/banner.tsx';
import { CopyLine } from '../../parts/copy.tsx';
import { Dialog } from '../../parts/dialog.tsx';
import { starting, useDesk } from './desk.ts';
import { releaseText, told } from './text.ts';

/** Output is asked for anew while it is looked at, ms: a program is run for it. */
const OUTPUT_MS = 5000;

export function StartButtons({
  service,
  kinds,
}: {
  readonly service: string;
  readonly kinds: readonly RunKind[];
}) {
  const text = releaseText();
  const desk = useDesk();
  const known = desk?.services.find((one) => one.service === service);
  if (desk === undefined || known === undefined || !known.isConfigured) return null;
  const whyNot = mayRelease.value ? desk.whyNot : text.mayNot(session.value?.role ?? '');
  return (
    <>
      {kinds.map((kind) => (
        <button
          key={kind}
          type="button"
          class="button"
          disabled={whyNot !== ''}
          title={whyNot || undefined}
          onClick={() => void start(starting(kind, known))}
        >
          {told(text.verbs, kind)}…
        </button>
      ))}
    </>
  );
}

export function Output({
  service,
  instance,
}: {
  readonly service: string;
  readonly instance: string;
}) {
  const text = releaseText();
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="small-button" onClick={() => setOpen(true)}>
        {text.output}…
      </button>
      {isOpen ? (
        <Dialog kind="drawer" title={text.outputOf(instance)} onClose={() => setOpen(false)}>
          <Lines service={service} instance={instance} />
        </Dialog>
      ) : null}
    </>
  );
}

function Lines({ service, instance }: { readonly service: string; readonly instance: string }) {
  const text = releaseText();
  const [known, setKnown] = useState<OutputDocument | undefined>(undefined);
  const [trouble, setTrouble] = useState('');
  useEffect(() => {
    let isOver = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      try {
        const output = await call('instanceOutput', { service, instance, last: 200 }, 25_000);
        if (isOver) return;
        setKnown(output);
        setTrouble('');
        timer = setTimeout(() => void ask(), OUTPUT_MS);
      } catch (error) {
        if (!isOver) setTrouble(textOf(error));
      }
    };
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [service, instance]);
  return (
    <>
      {trouble === '' ? null : <Banner level="warn">{trouble}</Banner>}
      {known === undefined ? null : (
        <>
          {known.trouble === '' ? null : <Banner level="warn">{known.trouble}</Banner>}
          <p class="muted any">{known.place}</p>
          <pre class="output">{known.lines.join('\n') || text.noOutput}</pre>
        </>
      )}
      <CopyLine label="CLI" text={known?.cli ?? `sluice logs ${service} ${instance}`} />
    </>
  );
}
