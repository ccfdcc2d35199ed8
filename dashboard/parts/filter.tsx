// The filter of a page: in the address, and where the key `/` leads.

import { place, setQuery } from '../router.tsx';
import { common } from '../text.ts';

/** What is in it. */
export function filterText(): string {
  return place.value.query.get('filter') ?? '';
}

export function Filter() {
  const { filter } = common();
  return (
    <input
      type="search"
      data-filter
      aria-label={filter}
      placeholder={`${filter} (/)`}
      value={filterText()}
      onInput={({ currentTarget }) => setQuery('filter', currentTarget.value)}
    />
  );
}
