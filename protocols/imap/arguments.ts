const SP = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x28;
const CLOSE = 0x29;

/** RFC 2971 section 3.3. */
const MAX_ID_PAIRS = 30;

/**
 * The arguments of a command, read from left to right. Text and literals alternate, so a literal's octets are only
 * ever taken as one string. Each method gives `undefined` where the grammar is broken (RFC 9051 section 9).
 */
export class Arguments {
  /** Text at even places, the literals between them at odd ones. */
  readonly #fragments: readonly Buffer[];
  #fragment = 0;
  #at = 0;

  constructor(fragments: readonly Buffer[]) {
    this.#fragments = fragments;
  }

  /** Steps over exactly one space. */
  space(): boolean {
    return this.#step(SP);
  }

  /** Whether nothing but spaces is left; scripts are seen to send some. */
  atEnd(): boolean {
    const text = this.#text();
    return (
      this.#fragment === this.#fragments.length - 1 && text.subarray(this.#at).every((octet) => octet === SP)
    );
  }

  /** Reads an atom, a quoted string or a literal. */
  astring(): Buffer | undefined {
    return this.#string() ?? this.#run(isAstringOctet);
  }

  /** Reads an atom, such as the name of a mechanism. */
  atom(): string | undefined {
    return this.#run(isAstringOctet)?.toString('latin1');
  }

  /** Reads all up to the end or a space, such as base64. */
  word(): string | undefined {
    return this.#run((octet) => octet > SP && octet < 0x7f)?.toString('latin1');
  }

  /** Reads the parameter list of ID: names in lower case; pairs beyond the limit are read and dropped. */
  idParameters(): ReadonlyMap<string, string> | undefined {
    const pairs = new Map<string, string>();
    if (!this.#step(OPEN)) {
      return this.atom()?.toUpperCase() === 'NIL' ? pairs : undefined;
    }
    this.#skipSpaces();
    while (!this.#step(CLOSE)) {
      const name = this.#string();
      this.#skipSpaces();
      const value = this.#string() ?? this.#nil();
      this.#skipSpaces();
      if (name === undefined || value === undefined) {
        return undefined;
      }
      if (pairs.size < MAX_ID_PAIRS) {
        pairs.set(name.toString('latin1').toLowerCase(), value.toString('latin1'));
      }
    }
    return pairs;
  }

  #nil(): Buffer | undefined {
    return this.atom()?.toUpperCase() === 'NIL' ? Buffer.alloc(0) : undefined;
  }

  #string(): Buffer | undefined {
    return this.#literal() ?? this.#quoted();
  }

  #literal(): Buffer | undefined {
    const literal = this.#fragments[this.#fragment + 1];
    if (this.#at < this.#text().length || literal === undefined) {
      return undefined;
    }
    this.#fragment += 2;
    this.#at = 0;
    return literal.includes(0) ? undefined : literal;
  }

  #quoted(): Buffer | undefined {
    const text = this.#text();
    if (text[this.#at] !== QUOTE) {
      return undefined;
    }
    const octets: number[] = [];
    for (let at = this.#at + 1; at < text.length; at += 1) {
      let octet = text[at] ?? 0;
      if (octet === QUOTE) {
        this.#at = at + 1;
        return Buffer.from(octets);
      }
      if (octet === BACKSLASH) {
        at += 1;
        octet = text[at] ?? 0;
        if (octet !== QUOTE && octet !== BACKSLASH) {
          return undefined;
        }
      }
      if (octet === 0 || octet === 0x0d) {
        return undefined;
      }
      octets.push(octet);
    }
    return undefined;
  }

  #run(belongs: (octet: number) => boolean): Buffer | undefined {
    const text = this.#text();
    let end = this.#at;
    while (end < text.length && belongs(text[end] ?? 0)) {
      end += 1;
    }
    if (end === this.#at) {
      return undefined;
    }
    const run = text.subarray(this.#at, end);
    this.#at = end;
    return run;
  }

  #step(octet: number): boolean {
    if (this.#text()[this.#at] !== octet) {
      return false;
    }
    this.#at += 1;
    return true;
  }

  #skipSpaces(): void {
    while (this.space());
  }

  #text(): Buffer {
    return this.#fragments[this.#fragment] ?? Buffer.alloc(0);
  }
}

// 8-bit octets are not atom characters, but old clients send their users' names so.
function isAstringOctet(octet: number): boolean {
  return octet > SP && octet !== 0x7f && !'(){%*"\\'.includes(String.fromCharCode(octet));
}
