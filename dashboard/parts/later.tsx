// A page that is loaded when it is shown first.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { common } from '../text.ts';
import { Banner } from './banner.tsx';

export function later<Props extends object>(
  load: () => Promise<ComponentType<Props>>,
): (props: Props) => preact.JSX.Element {
  let loaded: ComponentType<Props> | undefined;
  return function Later(props) {
    const [trouble, setTrouble] = useState('');
    const [, redraw] = useState(0);
    useEffect(() => {
      if (loaded !== undefined) return;
      load().then(
        (component) => {
          loaded = component;
          redraw((times) => times + 1);
        },
        // Of a version that is gone: its files are, too.
        (error: unknown) => setTrouble(String(error)),
      );
    }, []);
    if (loaded !== undefined) {
      const Page = loaded;
      return <Page {...props} />;
    }
    if (trouble !== '') {
      return (
        <Banner level="warn">
          {trouble} <a href={location.href}>↻</a>
        </Banner>
      );
    }
    return <p class="muted loading">{common().loading}</p>;
  };
}
