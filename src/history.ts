// The face of the history module: the last hour of each upstream, version and server in ring buffers of
// bounded size. Pure: sums go in once a second, columns come out.

export {
  History,
  type NamedColumns,
  type Recent,
  type Second,
  type ServerTotals,
  type Span,
  type UpstreamTotals,
} from './history/history.ts';
export type { Facts, Mark } from './history/marks.ts';
