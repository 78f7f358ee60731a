import { describe, expect, it } from 'vitest';
import { accounts } from '../support/accounts.ts';
import { cluster } from '../support/cluster.ts';
import { CuttableRelay } from '../support/cuttable-relay.ts';
import { firstSubject, logIn, openSession } from '../support/mail-session.ts';
import { clusterConfig, ldapDirectory, RunningProxy } from '../support/running-proxy.ts';

describe('while no directory server answers', () => {
  it('F1 who logged in lately still can, where that is asked for, and nobody else', async () => {
    const here = cluster();
    await using relay = await CuttableRelay.start(here.ldap.master.ldap);
    const directory = ldapDirectory(here, {
      urls: [`ldap://127.0.0.1:${relay.port}`],
      cache: { passwordsWhileDown: '10m' },
    });
    await using proxy = await RunningProxy.start(clusterConfig(here, { directories: [directory] }));
    const tryLogin = async (
      account: (typeof accounts)[keyof typeof accounts],
      password = account.password,
    ) => {
      const options = { port: proxy.port('imap', 'implicit'), tls: 'implicit', ca: here.ca } as const;
      await using wire = await openSession('imap', options);
      const answer = await logIn('imap', wire, account.mail, password);
      return / OK /.test(answer) ? await firstSubject('imap', wire) : answer;
    };

    expect(await tryLogin(accounts.alice)).toBe('on node-a');
    relay.cut();
    expect(await tryLogin(accounts.alice)).toBe('on node-a');
    expect(await tryLogin(accounts.alice, 'wrong')).toMatch(/\[UNAVAILABLE\]/);
    expect(await tryLogin(accounts.bob)).toMatch(/\[UNAVAILABLE\]/);
    relay.mend();
    await proxy.events('directoryState', { up: true }, 2);

    expect(await tryLogin(accounts.bob)).toBe('on node-b');
    expect((await proxy.events('directoryStale', {}, 2)).map(({ stale }) => stale)).toEqual([true, false]);
  });
});
