/* TCP or TLS connections that never block, for one epoll loop. */
#ifndef WIRE_H
#define WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire {
  int fd; /* -1: closed */
  SSL *ssl;
  bool secured; /* TLS is done, or there is none */
  uint32_t events;
  char *out; /* what the kernel has not taken yet */
  size_t out_at, out_end, out_size;
};

enum { WIRE_END = 0, WIRE_AGAIN = -1, WIRE_FAILED = -2 };

/* Opens the loop. Ends the program if there is none. */
void wire_loop(void);

/* Takes a connected, connecting or listening socket, and TLS for it if it has any; `owner` is what the loop tells of. */
void wire_open(struct wire *wire, int fd, SSL *ssl, void *owner);
void wire_close(struct wire *wire);

/* Waits for events. Gives the count of owners in `owners`; `ms` of -1 waits for ever. */
int wire_wait(void **owners, int most, int ms);

/* Goes on with the TLS handshake: 1 when it's done, else WIRE_AGAIN or WIRE_FAILED. */
int wire_secure(struct wire *wire, void *owner);

/* Reads or writes what goes: octets, WIRE_END, WIRE_AGAIN or WIRE_FAILED. */
ssize_t wire_read(struct wire *wire, char *octets, size_t size);
ssize_t wire_write(struct wire *wire, const char *octets, size_t size);

/* Queues octets and writes what goes. */
void wire_say(struct wire *wire, const char *octets, size_t size);

/* Writes what is queued; false while some of it is left. */
bool wire_flush(struct wire *wire);

/* Asks to be told when it can be written to, or no longer. */
void wire_watch(struct wire *wire, bool writable, void *owner);

void die(const char *what);

#endif
