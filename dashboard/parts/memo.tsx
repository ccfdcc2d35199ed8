// A component that is not drawn again while what it was given is the same: a row whose server did not change.
// (preact/compat has one, with all that React has beside it.)

import { Component, type ComponentType } from 'preact';

export function memo<Props extends object>(
  Of: (props: Props) => preact.JSX.Element | null,
): ComponentType<Props> {
  return class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Props): boolean {
      const last = new Map<string, unknown>(Object.entries(this.props));
      const now = Object.entries(next);
      return now.length !== last.size || now.some(([key, value]) => last.get(key) !== value);
    }

    override render() {
      return <Of {...this.props} />;
    }
  };
}
