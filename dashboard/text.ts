// Words in the reader's language. Each part of the page has its own, in both languages side by side, and the
// compiler sees to it that none is missing.

import { computed } from '@preact/signals';
import { stored } from './live/stored.ts';

export type Language = 'en' | 'zh';

export const language = stored<Language>('language', ['en', 'zh'], preferred());

/** `zh` has what `en` has. */
export function words<Words extends object>(en: Words, zh: NoInfer<Words>): () => Words {
  const current = computed(() => (language.value === 'zh' ? zh : en));
  return () => current.value;
}

/** What the whole page says; see also `words` beside each page. */
export const common = words(
  {
    overview: 'Overview',
    releases: 'Releases',
    requests: 'Requests',
    events: 'Events',
    kv: 'KV',
    skip: 'Skip to content',
    menu: 'Pages',
    loading: 'Loading…',
    none: 'none',
    needs: (many: number) =>
      many === 1 ? '1 thing needs attention' : `${many} things need attention`,
    close: 'Close',
    cancel: 'Cancel',
    copy: 'Copy',
    copied: 'Copied',
    filter: 'Filter',
    unknown: 'unknown',
    reason: 'Reason',
    by: 'by',
    notFound: 'There is no such page.',
    back: 'Back to the overview',
    live: 'live',
    connecting: 'connecting…',
    lost: (since: string) => `connection lost ${since} ago`,
    lostLong:
      'No connection to this gateway. What you see is as it was then; it goes on by itself when the gateway answers.',
    paused: 'paused while hidden',
    scheme: 'Colours',
    light: 'light',
    dark: 'dark',
    auto: 'as the system',
    clock: 'Times',
    utc: 'UTC',
    local: 'local',
    language: 'Language',
    readOnly: 'read only',
    signIn: 'Sign in',
    signOut: 'Sign out',
    token: 'Token',
    tokenWhy:
      'This gateway asks for a token (admin.token or one of admin.tokens). It is kept in a cookie of this browser that scripts cannot read.',
    help: 'Keys',
    keys: 'Keyboard',
    keyHelp: 'this list',
    keyFilter: 'to the filter of the page',
    keyGo: (page: string) => `to ${page}`,
    keyClose: 'close what is open',
    states: {
      ok: 'up',
      drain: 'draining',
      maint: 'maintenance',
      down: 'down',
      unchecked: 'not checked yet',
      ejected: 'ejected',
      full: 'full',
      unresolved: 'no address',
    },
  },
  {
    overview: '总览',
    releases: '发布',
    requests: '请求',
    events: '事件',
    kv: 'KV',
    skip: '跳到内容',
    menu: '页面',
    loading: '加载中…',
    none: '无',
    needs: (many: number) => `${many} 项需要注意`,
    close: '关闭',
    cancel: '取消',
    copy: '复制',
    copied: '已复制',
    filter: '筛选',
    unknown: '未知',
    reason: '原因',
    by: '由',
    notFound: '没有这个页面。',
    back: '回到总览',
    live: '实时',
    connecting: '连接中…',
    lost: (since: string) => `连接已断开 ${since}`,
    lostLong: '与此网关的连接已断开。显示的是断开前的状态；网关恢复后会自动继续。',
    paused: '页面隐藏时暂停',
    scheme: '颜色',
    light: '浅色',
    dark: '深色',
    auto: '跟随系统',
    clock: '时间',
    utc: 'UTC',
    local: '本地',
    language: '语言',
    readOnly: '只读',
    signIn: '登录',
    signOut: '退出',
    token: '令牌',
    tokenWhy:
      '此网关需要令牌（admin.token 或 admin.tokens 之一）。它保存在脚本读不到的 Cookie 中。',
    help: '按键',
    keys: '键盘',
    keyHelp: '显示此列表',
    keyFilter: '跳到本页筛选',
    keyGo: (page: string) => `转到${page}`,
    keyClose: '关闭打开的内容',
    states: {
      ok: '正常',
      drain: '排空中',
      maint: '维护',
      down: '故障',
      unchecked: '尚未检查',
      ejected: '已剔除',
      full: '已满',
      unresolved: '无地址',
    },
  },
);

function preferred(): Language {
  const first = globalThis.navigator?.languages?.find((tag) => /^(en|zh)\b/i.test(tag));
  return first?.toLowerCase().startsWith('zh') === true ? 'zh' : 'en';
}
