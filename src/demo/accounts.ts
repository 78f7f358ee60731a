/** A user of the demonstration; it stands in the README, so the passwords are no secrets. */
export interface DemoAccount {
  readonly mail: string;
  readonly password: string;
  /** Name of the home node; `undefined` for an entry that names none. */
  readonly home: string | undefined;
  readonly status: 'active' | 'disabled';
}

/** The users of the demonstration. */
export const ACCOUNTS: readonly DemoAccount[] = [
  { mail: 'demo-a@example.org', password: 'demo-a-secret', home: 'node-a', status: 'active' },
  { mail: 'demo-b@example.org', password: 'demo-b-secret', home: 'node-b', status: 'active' },
  { mail: 'demo-off@example.org', password: 'demo-off-secret', home: 'node-a', status: 'disabled' },
  { mail: 'demo-lost@example.org', password: 'demo-lost-secret', home: undefined, status: 'active' },
];
