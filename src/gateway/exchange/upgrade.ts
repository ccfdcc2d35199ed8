// Which protocols a connection may be upgraded to: what the client offers, what the configuration
// allows and what the server takes must agree. All are lower-case token lists; h2c is in none.

/** What of the client's offer may be passed on; '' = nothing. */
export function allowedUpgrade(offered: string, allowed: readonly string[]): string {
  return tokens(offered)
    .filter((token) => allowed.includes(token))
    .join(', ');
}

/** The server has chosen from what it was offered. */
export function isOffered(offered: string, chosen: string): boolean {
  if (offered === '' || chosen === '') return false;
  const choices = tokens(offered);
  return tokens(chosen).every((token) => choices.includes(token));
}

function tokens(list: string): string[] {
  return list.split(',').map((token) => token.trim());
}
