/** What a demonstration node can do once somebody is logged in. */
export const IMAP_CAPABILITIES = 'IMAP4rev1 LITERAL- ID ENABLE IDLE NAMESPACE UNSELECT';
