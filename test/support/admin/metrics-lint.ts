// What `promtool check metrics` and a strict parser would complain about in a text of metrics.

type Family = { help: string; type: string; readonly series: Map<string, number> };

const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)/y;
const SUFFIX = /_(bucket|sum|count)$/;
/** Units that are not base units, and shortened ones. */
const UNITS =
  /_(ms|sec|secs|us|ns|milliseconds?|microseconds?|nanoseconds?|minutes?|hours?|days?|kb|mb|gb|kilobytes?|megabytes?|percent)(_|$)/;

export function metricsComplaints(text: string): string[] {
  const complaints: string[] = [];
  const families = new Map<string, Family>();
  let current = '';
  if (!text.endsWith('\n')) complaints.push('the last line has no end');
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const [, kind = '', name = '', rest = ''] = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) complaints.push(`${name}: stands there twice`);
      if (rest === '') complaints.push(`${name}: no help`);
      families.set(name, { help: rest, type: '', series: new Map() });
      current = name;
    } else if (kind === 'TYPE') {
      const family = families.get(name);
      if (family === undefined) complaints.push(`${name}: no help`);
      else if (family.series.size > 0) complaints.push(`${name}: its type stands behind values`);
      else family.type = rest;
      if (!TYPES.includes(rest)) complaints.push(`${name}: type ${rest}`);
    } else if (!line.startsWith('#')) {
      const sample = SAMPLE.exec(line);
      if (sample === null) complaints.push(`not a sample: ${line}`);
      else complaints.push(...addSample(families, current, sample));
    }
  }
  for (const [name, family] of families) complaints.push(...familyComplaints(name, family));
  return complaints;
}

function addSample(
  families: Map<string, Family>,
  current: string,
  [, name = '', labels = '', value = '']: readonly string[],
): string[] {
  const family = families.get(current);
  const isHistogram = family?.type === 'histogram';
  if (family === undefined || (isHistogram ? name.replace(SUFFIX, '') : name) !== current) {
    return [`${name}: does not stand with its family`];
  }
  if (value === '' || (Number.isNaN(Number(value)) && value !== 'NaN' && !/^[+-]Inf$/.test(value)))
    return [`${name}: value ${value}`];
  const complaints: string[] = [];
  const pairs = new Map<string, string>();
  LABEL.lastIndex = 0;
  let end = 0;
  for (let found = LABEL.exec(labels); found !== null; found = LABEL.exec(labels)) {
    const [, label = '', text = ''] = found;
    if (pairs.has(label)) complaints.push(`${name}: label ${label} twice`);
    if (/[A-Z]/.test(label)) complaints.push(`${name}: label ${label} is not snake_case`);
    if ((label === 'le' && !name.endsWith('_bucket')) || label === 'quantile')
      complaints.push(`${name}: label ${label}`);
    pairs.set(label, text);
    end = LABEL.lastIndex;
  }
  if (end !== labels.length) complaints.push(`${name}: labels ${labels}`);
  const key = `${name}{${[...pairs].toSorted().join(';')}}`;
  if (family.series.has(key)) complaints.push(`${key}: stands there twice`);
  if (family.type === 'counter' && Number(value) < 0) complaints.push(`${key}: below 0`);
  family.series.set(key, Number(value.replace('Inf', 'Infinity')));
  return complaints;
}

function familyComplaints(name: string, { type, series }: Family): string[] {
  const complaints: string[] = [];
  if (type === '') complaints.push(`${name}: no type`);
  if (type === 'counter' && !name.endsWith('_total')) complaints.push(`${name}: no _total`);
  if (type !== 'counter' && name.endsWith('_total'))
    complaints.push(`${name}: ${type} with _total`);
  if (SUFFIX.test(name)) complaints.push(`${name}: has the end of a histogram's series`);
  if (/[A-Z:]/.test(name)) complaints.push(`${name}: is not snake_case`);
  if (UNITS.test(name)) complaints.push(`${name}: not in seconds or bytes`);
  if (/_(counter|gauge|histogram|summary)(_|$)/.test(name))
    complaints.push(`${name}: names its type`);
  return type === 'histogram' ? [...complaints, ...bucketComplaints(name, series)] : complaints;
}

/** The buckets of each set of labels rise up to +Inf, which is the count; and there is a sum. */
function bucketComplaints(name: string, series: ReadonlyMap<string, number>): string[] {
  const complaints: string[] = [];
  const last = new Map<string, { le: number; value: number }>();
  for (const [key, value] of series) {
    const le = /le,([^;}]+)/.exec(key)?.[1];
    if (le === undefined) continue;
    const rest = key
      .replace(/le,[^;}]+;?/, '')
      .replace(`${name}_bucket`, '')
      .replace(';}', '}');
    const bound = Number(le.replace('Inf', 'Infinity'));
    const before = last.get(rest) ?? { le: Number.NEGATIVE_INFINITY, value: 0 };
    if (bound <= before.le || value < before.value) complaints.push(`${key}: does not rise`);
    last.set(rest, { le: bound, value });
  }
  for (const [rest, { le, value }] of last) {
    if (le !== Number.POSITIVE_INFINITY) complaints.push(`${name}${rest}: no +Inf`);
    if (series.get(`${name}_count${rest}`) !== value) complaints.push(`${name}${rest}: its count`);
    if (!series.has(`${name}_sum${rest}`)) complaints.push(`${name}${rest}: no sum`);
  }
  return complaints;
}
