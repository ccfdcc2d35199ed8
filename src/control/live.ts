// What happens now and what happened in the last hour, for whoever looks on: fed by the table and by what
// workers report anyway.

export { HistoryFeed } from './live/history-feed.ts';
