/* The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) with one stored key. */
#ifndef SCRAM_H
#define SCRAM_H

#include <stdbool.h>
#include <stddef.h>

struct scram {
  char client_first[640]; /* without its GS2 header */
  char server_first[512];
};

/* Reads Dovecot's form of a stored key: iterations,salt,storedKey,serverKey. Ends the program if it's none. */
void scram_use_key(const char *stored);

/* Takes the client's first message and writes the answer; both base64. */
bool scram_first(struct scram *scram, const char *message, char *answer, size_t size);

/* Checks the client's proof and writes the server's signature; both base64. */
bool scram_final(struct scram *scram, const char *message, char *answer, size_t size);

#endif
