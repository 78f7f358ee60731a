import { describe, expect, it } from 'vitest';
import type { Entry } from '../../../auth/entries/entry.ts';
import { allowsService, type ServiceRule } from '../../../auth/entries/service-rules.ts';

function entry(attributes: Readonly<Record<string, readonly string[]>>): Entry {
  return { dn: 'uid=alice', attributes: new Map(Object.entries(attributes)) };
}

describe('allowsService', () => {
  describe('by a flag that forbids', () => {
    const rule: ServiceRule = {
      kind: 'forbiddenBy',
      attributes: { imap: 'disableImap', pop3: 'disablePop3', '*': 'disableAll' },
    };

    it.each([
      [{}, true],
      [{ disableimap: ['1'] }, false],
      [{ disableimap: ['TRUE'] }, false],
      [{ disableimap: ['0'] }, true],
      [{ disablepop3: ['1'] }, true],
      [{ disableall: ['1'] }, false],
    ])('reads %j as %s for imap', (attributes, allowed) => {
      expect(allowsService(rule, entry(attributes), 'imap')).toBe(allowed);
    });
  });

  describe('by a flag that allows', () => {
    const rule = (absent: 'allowed' | 'forbidden'): ServiceRule => ({
      kind: 'allowedBy',
      attributes: { imap: 'imapEnabled' },
      absent,
    });

    it('reads the flag', () => {
      expect(allowsService(rule('forbidden'), entry({ imapenabled: ['TRUE'] }), 'imap')).toBe(true);
      expect(allowsService(rule('allowed'), entry({ imapenabled: ['FALSE'] }), 'imap')).toBe(false);
    });

    it('does with an absent flag as it was told', () => {
      expect(allowsService(rule('allowed'), entry({}), 'imap')).toBe(true);
      expect(allowsService(rule('forbidden'), entry({}), 'imap')).toBe(false);
    });
  });

  describe('by a list', () => {
    const rule: ServiceRule = {
      kind: 'listedIn',
      attribute: 'enabledService',
      values: { imap: ['imap', 'imapsecured'], pop3: ['pop3'], '*': ['mail'] },
      absent: 'forbidden',
    };

    it.each([
      [['imap'], true],
      [['IMAPSecured', 'smtp'], true],
      [['mail'], true],
      [['pop3', 'smtp'], false],
      [[], false],
    ])('reads %j as %s for imap', (enabledservice, allowed) => {
      expect(allowsService(rule, entry({ enabledservice }), 'imap')).toBe(allowed);
    });
  });

  // The examples of Sun's schema reference, and what follows from them.
  describe("by Sun's access filter", () => {
    const rule: ServiceRule = { kind: 'accessFilter', attribute: 'mailAllowedServiceAccess' };

    it.each([
      [undefined, true, true],
      ['+imap,pop,http:*', true, true],
      ['+imap:ALL$+pop:ALL$+http:ALL', true, true],
      ['-imap:*$-pop:*$-http:*', false, false],
      ['-pop:*', true, false],
      ['+imap:*', true, false],
      ['+imaps,pops:*$+imap,pop:192.0.2.1', true, true],
      ['+ALL:*', true, true],
      ['-ALL:ALL', false, false],
      ['-ALL:ALL EXCEPT server1.sesta.com', false, false],
      ['+pop:192.0.2.1', false, false],
      ['+imap:*$-ALL:*', true, false],
      ['nonsense', false, false],
      ['', true, true],
    ])('reads %s as imap %s, pop3 %s', (filter, imap, pop3) => {
      const values = entry(filter === undefined ? {} : { mailallowedserviceaccess: [filter] });

      expect(allowsService(rule, values, 'imap')).toBe(imap);
      expect(allowsService(rule, values, 'pop3')).toBe(pop3);
    });
  });
});
