/** How failed logins are throttled. Limits are numbers of different wrong passwords, which fade within `windowMs`. */
export interface ThrottleSettings {
  readonly windowMs: number;
  readonly perAddress: number;
  /** For a /48 of IPv6. */
  readonly perNetwork: number;
  readonly perUser: number;
  readonly perUserAndAddress: number;
  /** Failures of all clients beyond which addresses and users have a quarter of their limits. */
  readonly overall: number;
  /** The longest time after which a failed login is answered. */
  readonly maxDelayMs: number;
  /** How long after a login its user is known at its address. */
  readonly knownForMs: number;
  /** How long a wrong password is refused without asking the directory again. */
  readonly rememberWrongMs: number;
  /** Of each kind. */
  readonly maxKeys: number;
  /** Networks whose addresses many users share; users are limited there too. */
  readonly exempt: readonly string[];
}
