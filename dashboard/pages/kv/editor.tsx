// Changes a value, and writes it only over the one that was read: who was there meanwhile is shown, never
// overwritten. A server's record has switches beside the text; both are the same JSON.

import { useEffect, useRef, useState } from 'preact/hooks';
import type { KvEffectDocument, KvEntryDocument } from '../../../src/admin/contract.ts';
import { ApiError, call, textOf } from '../../live/api.ts';
import { Banner } from '../../parts/banner.tsx';
import { toast } from '../../parts/toast.tsx';
import { common } from '../../text.ts';
import { kvText } from './text.ts';
import { diffOf, isJsonObject, jsonTrouble, pretty, withField } from './value.ts';

const TYPING_MS = 300;
/** A question has no room for more; such a value is no server's record. */
const ASKED_MAX = 8000;

export type EditorProps = {
  readonly registry: string;
  readonly name: string;
  /** What it begins with. */
  readonly value: string;
  /** As it is now, again and again; undefined: a key that is to be made. */
  readonly entry?: KvEntryDocument;
  /** With the key that was written; undefined: nothing was. */
  readonly onDone: (written?: string) => void;
};

export function Editor({ registry, name, value, entry, onDone }: EditorProps) {
  const text = kvText();
  // What was read when the person began is what is written over, whatever comes in meanwhile.
  const [base, setBase] = useState({ value, index: entry?.index ?? 0 });
  const [key, setKey] = useState(name);
  const [draft, setDraft] = useState(pretty(value));
  const [isForced, setForced] = useState(false);
  const [theirs, setTheirs] = useState<KvEntryDocument | undefined>(undefined);
  const [trouble, setTrouble] = useState('');
  const [isBusy, setBusy] = useState(false);
  const isOther = draft !== pretty(base.value);
  useLeaveAsked(isOther);
  // Set out for reading alone: one line is what was there.
  const written = draft === pretty(base.value) ? base.value : compact(draft, base.value);
  const effect = useEffectOf(registry, key, written);
  const wasJson = isJsonObject(base.value);
  const wrong = wasJson || effect?.problems.length ? jsonTrouble(draft) : '';
  const save = async (index: number): Promise<void> => {
    setBusy(true);
    setTrouble('');
    try {
      const body = { registry, key, value: written, index, force: isForced };
      await call('kvWrite', { body });
      toast(text.saved(key));
      onDone(key);
    } catch (error) {
      const current = error instanceof ApiError ? error.details['current'] : undefined;
      if (current !== undefined)
        setTheirs(current as KvEntryDocument); // Of this very route.
      else setTrouble(textOf(error));
      setBusy(false);
    }
  };
  if (theirs !== undefined) {
    return (
      <Conflict
        mine={draft}
        theirs={theirs}
        onTake={() => {
          setBase({ value: theirs.value ?? '', index: theirs.index });
          setDraft(pretty(theirs.value ?? ''));
          setTheirs(undefined);
        }}
        onSave={() => {
          setTheirs(undefined);
          void save(theirs.index);
        }}
        onMerge={() => {
          setBase({ value: theirs.value ?? '', index: theirs.index });
          setTheirs(undefined);
        }}
      />
    );
  }
  const isMoved = entry !== undefined && entry.index !== base.index;
  const isBlocked = effect !== undefined && !effect.allowed && !isForced;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (!isBusy && key !== '') void save(base.index);
      }}
    >
      {entry === undefined ? (
        <label class="field">
          {text.key}
          <input
            value={key}
            required
            onInput={({ currentTarget }) => setKey(currentTarget.value)}
          />
        </label>
      ) : null}
      {isMoved ? <Banner level="warn">{text.changed}</Banner> : null}
      {entry?.owner === 'server' || effect?.upstreams.length ? (
        <Fields draft={draft} onChange={(next) => setDraft(pretty(next))} />
      ) : null}
      <label class="field">
        {text.value}
        <textarea
          class="mono"
          rows={Math.min(18, Math.max(4, draft.split('\n').length + 1))}
          spellcheck={false}
          value={draft}
          onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        />
      </label>
      {wrong === '' ? null : (
        <p class="warn">
          {text.notJson(wrong)} {wasJson ? text.wasJson : ''}
        </p>
      )}
      {effect === undefined ? null : (
        <div class="effect" role="status">
          <b>{text.effect}</b>
          <ul>
            {(effect.says.length === 0 ? [text.nothing] : effect.says).map((line) => (
              <li key={line}>{line}</li>
            ))}
            {[...effect.problems, ...effect.warnings].map((line) => (
              <li key={line} class="warn">
                {line}
              </li>
            ))}
          </ul>
        </div>
      )}
      {effect !== undefined && !effect.allowed ? (
        <label>
          <input
            type="checkbox"
            checked={isForced}
            onChange={({ currentTarget }) => setForced(currentTarget.checked)}
          />{' '}
          {effect.refusal} {text.force}
        </label>
      ) : null}
      {trouble === '' ? null : <Banner level="bad">{trouble}</Banner>}
      <div class="dialog-foot">
        <button type="button" class="button" onClick={() => onDone()}>
          {common().cancel}
        </button>
        <button
          type="submit"
          class="button button-main"
          disabled={isBusy || isBlocked || (!isOther && entry !== undefined)}
        >
          {text.save}
        </button>
      </div>
    </form>
  );
}

/** A record is one line as gateways and curl write it; what was set out by hand before stays so. */
function compact(draft: string, before: string): string {
  if (before.includes('\n') || !isJsonObject(draft)) return draft;
  return JSON.stringify(JSON.parse(draft));
}

function useEffectOf(registry: string, key: string, value: string): KvEffectDocument | undefined {
  const [effect, setEffect] = useState<KvEffectDocument | undefined>(undefined);
  const asked = useRef('');
  useEffect(() => {
    if (key === '' || value.length > ASKED_MAX) return setEffect(undefined);
    const question = JSON.stringify([key, value]);
    asked.current = question;
    const timer = setTimeout(() => {
      call('kvEffect', { registry, key, value, remove: '' }).then(
        (next) => {
          if (asked.current === question) setEffect(next);
        },
        // It is said when it is saved.
        () => {},
      );
    }, TYPING_MS);
    return () => clearTimeout(timer);
  }, [registry, key, value]);
  return effect;
}

/** What is not saved is not lost by a slip. */
function useLeaveAsked(isOther: boolean): void {
  useEffect(() => {
    if (!isOther) return;
    const ask = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', ask);
    return () => removeEventListener('beforeunload', ask);
  }, [isOther]);
}

function Fields({
  draft,
  onChange,
}: {
  readonly draft: string;
  readonly onChange: (draft: string) => void;
}) {
  const text = kvText();
  if (draft.trim() !== '' && !isJsonObject(draft)) return null;
  const record: Readonly<Record<string, unknown>> = draft.trim() === '' ? {} : JSON.parse(draft);
  const number = (name: string, otherwise: number): number => {
    const value = Number(record[name] ?? otherwise);
    return Number.isFinite(value) ? value : otherwise;
  };
  const set = (name: string, value: number): void => onChange(withField(draft, name, value));
  const weight = number('weight', 1);
  const numbers = [
    ['max_fails', 2, 0],
    ['fail_timeout', 10, 0],
    ['max_conns', 0, 0],
  ] as const;
  return (
    <fieldset class="kv-fields">
      {(['down', 'backup'] as const).map((name) => (
        <label key={name}>
          <input
            type="checkbox"
            role="switch"
            aria-checked={number(name, 0) === 1}
            checked={number(name, 0) === 1}
            onChange={({ currentTarget }) => set(name, currentTarget.checked ? 1 : 0)}
          />{' '}
          {text[name]}
        </label>
      ))}
      <label class="kv-weight">
        {text.weight}
        <input
          type="range"
          min={1}
          max={Math.max(100, weight)}
          value={weight}
          aria-valuetext={String(weight)}
          onInput={({ currentTarget }) => set('weight', Number(currentTarget.value))}
        />
        <input
          type="number"
          aria-label={text.weight}
          min={1}
          max={65_535}
          value={weight}
          onInput={({ currentTarget }) => set('weight', Number(currentTarget.value))}
        />
      </label>
      {numbers.map(([name, otherwise, least]) => (
        <label key={name}>
          {name}{' '}
          <input
            type="number"
            min={least}
            value={number(name, otherwise)}
            onInput={({ currentTarget }) => set(name, Number(currentTarget.value))}
          />
        </label>
      ))}
    </fieldset>
  );
}

type ConflictProps = {
  readonly mine: string;
  readonly theirs: KvEntryDocument;
  readonly onTake: () => void;
  readonly onSave: () => void;
  readonly onMerge: () => void;
};

function Conflict({ mine, theirs, onTake, onSave, onMerge }: ConflictProps) {
  const text = kvText();
  return (
    <>
      <Banner level="bad">{text.conflict}</Banner>
      <pre class="kv-value diff">
        {diffOf(pretty(theirs.value ?? ''), mine).map(({ sign, text: line }, place) => (
          <span key={place} class={sign === ' ' ? '' : sign === '+' ? 'diff-mine' : 'diff-theirs'}>
            {`${sign} ${line}\n`}
          </span>
        ))}
      </pre>
      <div class="dialog-foot">
        <button type="button" class="button" onClick={onTake}>
          {text.takeTheirs}
        </button>
        <button type="button" class="button" onClick={onMerge}>
          {text.merge}
        </button>
        <button type="button" class="button button-bad" onClick={onSave}>
          {text.saveMine} ({text.index.toLowerCase()} {theirs.index})
        </button>
      </div>
    </>
  );
}
