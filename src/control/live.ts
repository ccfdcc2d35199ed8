// What happens now and what happened in the last hour, for whoever looks on: fed by the table and by what
// workers report anyway.

export { HistoryFeed } from './live/history-feed.ts';
export { Hub } from './live/hub.ts';
export { TrafficOfOthers } from './live/other-traffic.ts';
export { OverGateways } from './live/over-gateways.ts';
export { SeenReleases } from './live/seen-releases.ts';
export { StoryStore } from './live/story-store.ts';
export { computeTopics } from './live/topics.ts';
export { trafficText } from './live/traffic.ts';
