// The frame of the page: where one can go, whether what is shown is live, and the page itself.

import { useEffect } from 'preact/hooks';
import { mustSignIn, session, signOut } from './live/session.ts';
import { link, useOverview } from './live/stream.ts';
import { Overview } from './pages/overview.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { Banner } from './parts/banner.tsx';
import { Keys, startKeys } from './parts/keys.tsx';
import { later } from './parts/later.tsx';
import { scheme } from './parts/scheme.ts';
import { age, clock, nowMs } from './parts/time.tsx';
import { Toasts } from './parts/toast.tsx';
import { Link, place, segmentsOf } from './router.tsx';
import { common, language } from './text.ts';

type PageProps = { readonly segments: readonly string[] };

const PAGES: Readonly<Record<string, (props: PageProps) => preact.JSX.Element>> = {
  '': () => <Overview />,
  events: later(() => import('./pages.ts').then(({ Events }) => Events)),
  requests: later(() => import('./pages.ts').then(({ Requests }) => Requests)),
  kv: later(() => import('./pages.ts').then(({ Kv }) => Kv)),
  pools: later(() => import('./pages.ts').then(({ Pool }) => Pool)),
  releases: later(() => import('./pages.ts').then(({ Releases }) => Releases)),
};

/** What the head leads to. */
const WAYS = [
  ['', 'overview'],
  ['releases', 'releases'],
  ['requests', 'requests'],
  ['events', 'events'],
  ['kv', 'kv'],
] as const;

export function App() {
  useEffect(() => startKeys(WAYS.map(([path]) => path)), []);
  useEffect(() => {
    document.documentElement.lang = language.value;
  }, [language.value]);
  const { path } = place.value;
  const [first = '', ...segments] = segmentsOf(path);
  const Page = PAGES[first];
  return (
    <>
      <a class="skip" href="#content">
        {common().skip}
      </a>
      <Head first={first} />
      <LinkBanner />
      <main id="content" tabIndex={-1}>
        {mustSignIn.value ? (
          <SignIn />
        ) : Page === undefined ? (
          <NotFound />
        ) : (
          <Page segments={segments} />
        )}
      </main>
      <Foot />
      <Toasts />
      <Keys />
    </>
  );
}

function Head({ first }: { readonly first: string }) {
  const text = common();
  // On every page, so that each says whether it is live, and whether something is wrong elsewhere.
  const attention = Object.values(useOverview().value?.attention ?? {});
  const wrong = attention.filter(({ level }) => level !== 'info').length;
  return (
    <header class="head">
      <Link to="/" class="brand">
        <svg viewBox="0 0 32 32" width="22" height="22" aria-hidden="true">
          <rect width="32" height="32" rx="7" class="brand-ground" />
          <path d="M7 10h18M7 22h18M11 10v12M16 10v7M21 10v12" class="brand-lines" />
        </svg>
        Sluice
      </Link>
      <nav aria-label={text.menu}>
        {WAYS.map(([path, name]) => (
          <Link
            key={path}
            to={`/${path}`}
            current={first === path || (first === 'pools' && path === '')}
          >
            {text[name]}
            {path === '' && wrong > 0 ? (
              <span class="count" title={text.needs(wrong)}>
                {wrong}
              </span>
            ) : null}
          </Link>
        ))}
      </nav>
      <LinkState />
      <Person />
    </header>
  );
}

/** Whether what is shown is what is. */
function LinkState() {
  const text = common();
  const { state, sinceMs } = link.value;
  const words = {
    live: text.live,
    connecting: text.connecting,
    paused: text.paused,
    lost: text.lost(age(nowMs.value - sinceMs)),
  };
  return (
    <span class={`link-state link-${state}`} role="status">
      <span class="link-dot" aria-hidden="true" />
      {words[state]}
    </span>
  );
}

/** Said after a moment: a gateway that is started anew is back before. */
function LinkBanner() {
  const { state, sinceMs } = link.value;
  if (state !== 'lost' || nowMs.value - sinceMs < 3000 || mustSignIn.value) return null;
  return <Banner level="bad">{common().lostLong}</Banner>;
}

function Person() {
  const known = session.value;
  if (known === undefined || !known.required || known.role === '') return null;
  const { signOut: out, readOnly } = common();
  return (
    <span class="person">
      <span title={known.role}>{known.name}</span>
      {known.role === 'read' ? <span class="tag">{readOnly}</span> : null}
      <button type="button" class="small-button" onClick={() => void signOut()}>
        {out}
      </button>
    </span>
  );
}

function Foot() {
  const text = common();
  return (
    <footer class="foot">
      <Choice
        label={text.scheme}
        of={scheme}
        options={{ auto: text.auto, light: text.light, dark: text.dark }}
      />
      <Choice label={text.clock} of={clock} options={{ utc: text.utc, local: text.local }} />
      <Choice label={text.language} of={language} options={{ en: 'English', zh: '中文' }} />
      <span class="muted">
        <kbd>?</kbd> {text.help}
      </span>
    </footer>
  );
}

function Choice<Value extends string>({
  label,
  of,
  options,
}: {
  readonly label: string;
  readonly of: { value: Value };
  readonly options: Readonly<Record<Value, string>>;
}) {
  const entries = Object.entries(options) as [Value, string][]; // The keys of this very object.
  return (
    <label>
      <span class="muted">{label}</span>
      <select
        value={of.value}
        onChange={(event) => {
          const chosen = entries.find(([value]) => value === event.currentTarget.value);
          if (chosen !== undefined) of.value = chosen[0];
        }}
      >
        {entries.map(([value, word]) => (
          <option key={value} value={value}>
            {word}
          </option>
        ))}
      </select>
    </label>
  );
}

function NotFound() {
  return (
    <div class="card">
      <p>{common().notFound}</p>
      <Link to="/">{common().back}</Link>
    </div>
  );
}
