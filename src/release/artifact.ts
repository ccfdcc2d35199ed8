// Artifacts: an archive or a folder of the machine that deploys becomes a version's folder on the
// hosts. Opened and named here, staged beside what runs, switched to by the step `activate`, and
// removed when it is old. Everything on a host goes through `Host`.

export { inspectArchive } from './artifact/inspect.ts';
export { type Artifact, openArtifact, seenArtifact } from './artifact/open.ts';
export { inRelease, linkFor, releaseFolder, releaseName, releaseOf } from './artifact/place.ts';
export { markBad, prune, sweep, switchLink } from './artifact/releases.ts';
export { megabytes, type StageOptions, stageOn } from './artifact/stage.ts';
