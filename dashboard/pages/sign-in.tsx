// Asks for a token where the gateway wants one.

import { useState } from 'preact/hooks';
import { textOf } from '../live/api.ts';
import { signIn } from '../live/session.ts';
import { Banner } from '../parts/banner.tsx';
import { common } from '../text.ts';

export function SignIn() {
  const [trouble, setTrouble] = useState('');
  const [isBusy, setBusy] = useState(false);
  const { signIn: title, token, tokenWhy } = common();
  return (
    <form
      class="card sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        const given = new FormData(event.currentTarget).get('token');
        setBusy(true);
        setTrouble('');
        signIn(String(given ?? '').trim())
          .catch((error: unknown) => setTrouble(textOf(error)))
          .finally(() => setBusy(false));
      }}
    >
      <h1>{title}</h1>
      <p class="muted">{tokenWhy}</p>
      <label>
        {token}
        <input name="token" type="password" autocomplete="current-password" required autofocus />
      </label>
      {trouble === '' ? null : <Banner level="bad">{trouble}</Banner>}
      <button type="submit" class="button button-main" disabled={isBusy}>
        {title}
      </button>
    </form>
  );
}
