// Asks before something is done: shows what it would do, as the gateway computes it while the dialog is open,
// and the same as a line for a shell.

import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { textOf } from '../live/api.ts';
import { Banner } from '../parts/banner.tsx';
import { CopyLine } from '../parts/copy.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { common } from '../text.ts';
import { type Action, asked, type Forecast, type Given, tell } from './action.ts';
import { actionText } from './text.ts';

const [REFRESH_MS, TYPING_MS] = [2000, 300];

/** To be shown once on each page that has actions; see `start`. */
export function ActionDialog() {
  const action = asked.value;
  return action === undefined ? null : <Ask key={action} action={action} />;
}

function Ask({ action }: { readonly action: Action }) {
  const text = actionText();
  const close = (): void => {
    if (asked.peek() === action) asked.value = undefined;
  };
  const { number } = action;
  const [reason, setReason] = useState('');
  const [value, setValue] = useState(number?.initial ?? 0);
  const [written, setWritten] = useState('');
  const [typed, setTyped] = useState('');
  const [trouble, setTrouble] = useState('');
  const [isBusy, setBusy] = useState(false);
  const { forecast, unknown } = useForecast(action, { reason, value, text: written.trim() });
  const form = useId();
  const isTyped = forecast?.level !== 'type' || typed.trim() === action.typed;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (forecast === undefined || isBusy || !isTyped || forecast.refusal !== '') return;
    setBusy(true);
    setTrouble('');
    try {
      const done = await forecast.run({ reason: reason.trim(), value, text: written.trim() });
      close();
      tell(done);
    } catch (error) {
      setTrouble(textOf(error));
      setBusy(false);
    }
  };
  const isReady = forecast !== undefined && forecast.refusal === '' && isTyped && !isBusy;
  const foot = (
    <>
      <button type="button" class="button" onClick={close}>
        {common().cancel}
      </button>
      <button
        type="submit"
        form={form}
        class={`button ${action.isBad === true || forecast?.level === 'type' ? 'button-bad' : 'button-main'}`}
        disabled={!isReady}
      >
        {action.verb}
      </button>
    </>
  );
  return (
    <Dialog title={action.title} onClose={close} foot={foot}>
      <form id={form} class="ask" onSubmit={(event) => void submit(event)}>
        {number === undefined ? null : (
          <label>
            {number.label}
            <input
              type="number"
              min={number.least}
              max={number.most}
              step={1}
              required
              autofocus
              value={value}
              onInput={({ currentTarget }) => setValue(currentTarget.valueAsNumber)}
            />
          </label>
        )}
        {action.text === undefined ? null : (
          <label>
            {action.text.label}
            <input
              autocomplete="off"
              spellcheck={false}
              maxLength={128}
              autofocus
              placeholder={action.text.hint}
              value={written}
              onInput={({ currentTarget }) => setWritten(currentTarget.value)}
            />
          </label>
        )}
        <Effect forecast={forecast} unknown={unknown} />
        {action.hasReason === true ? (
          <label>
            {common().reason}
            <input
              autofocus={number === undefined && action.text === undefined}
              maxLength={1000}
              placeholder={text.reasonWhy}
              value={reason}
              onInput={({ currentTarget }) => setReason(currentTarget.value)}
            />
          </label>
        ) : null}
        {forecast?.level === 'type' && forecast.refusal === '' ? (
          <label>
            {text.type(action.typed)}
            <input
              autocomplete="off"
              spellcheck={false}
              value={typed}
              onInput={({ currentTarget }) => setTyped(currentTarget.value)}
            />
          </label>
        ) : null}
        {trouble === '' ? null : <Banner level="bad">{trouble}</Banner>}
      </form>
      {forecast === undefined || forecast.lines.length === 0 ? null : (
        <details open class="shell">
          <summary>{text.shell}</summary>
          {forecast.lines.map(([label, line]) => (
            <CopyLine key={label} label={label} text={line} />
          ))}
        </details>
      )}
    </Dialog>
  );
}

function Effect({
  forecast,
  unknown,
}: {
  readonly forecast: Forecast | undefined;
  /** Why it is not known. */
  readonly unknown: string;
}) {
  const text = actionText();
  return (
    <section class="effect" aria-label={text.effect}>
      {forecast === undefined && unknown === '' ? <p class="muted">{text.computing}</p> : null}
      {unknown === '' ? null : <Banner level="bad">{unknown}</Banner>}
      <ul>
        {forecast?.facts.map((fact) => (
          <li key={fact}>{fact}</li>
        ))}
      </ul>
      {forecast?.warnings.map((warning) => (
        <Banner key={warning} level="warn">
          {warning}
        </Banner>
      ))}
      {forecast === undefined || forecast.refusal === '' ? null : (
        <Banner level="bad">
          {text.refused} {forecast.refusal}
        </Banner>
      )}
    </section>
  );
}

/** The newest answer; of two that are under way the one that was asked for later. */
function useForecast(action: Action, { reason, value, text }: Given) {
  const [known, setKnown] = useState<{ forecast?: Forecast; unknown: string }>({ unknown: '' });
  const turn = useRef(0);
  useEffect(() => {
    const ask = (): void => {
      if (Number.isNaN(value)) return;
      turn.current += 1;
      const mine = turn.current;
      action.forecast({ reason: reason.trim(), value, text }).then(
        (forecast) => mine === turn.current && setKnown({ forecast, unknown: '' }),
        (error: unknown) =>
          mine === turn.current && setKnown((last) => ({ ...last, unknown: textOf(error) })),
      );
    };
    const soon = setTimeout(ask, turn.current === 0 ? 0 : TYPING_MS);
    const timer = setInterval(ask, REFRESH_MS);
    return () => {
      clearTimeout(soon);
      clearInterval(timer);
      turn.current += 1;
    };
  }, [action, reason, value, text]);
  return { forecast: known.forecast, unknown: known.unknown };
}
