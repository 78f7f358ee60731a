/*
 * An IMAP and POP3 server with one mailbox for everybody: it takes every password by LOGIN, PLAIN and USER, and one
 * proxy's proof by SCRAM-SHA-256. FETCH n and RETR n give a message of n KiB.
 *
 *   backend CERTIFICATE KEY STORED-KEY IMAP-PORT POP3-PORT IMAPS-PORT POP3S-PORT
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "scram.h"
#include "wire.h"

enum { LINE = 4096, ROW = 78, PATTERN = ROW * 4096, PORTS = 4 };
#define CAPABILITIES "IMAP4rev1 SASL-IR LITERAL+ ID IDLE NAMESPACE UIDPLUS AUTH=PLAIN AUTH=SCRAM-SHA-256"

enum kind { LISTENER, SESSION };
enum state { COMMAND, LITERAL, PLAIN, SCRAM_FIRST, SCRAM_FINAL, SCRAM_END };

struct listener {
  enum kind kind;
  struct wire wire;
  bool pop3, tls;
};

struct session {
  enum kind kind;
  struct wire wire;
  bool pop3, greeted, ending;
  enum state state;
  char tag[64];
  struct scram scram;
  size_t bulk; /* octets of a message that are still to be sent */
  char tail[96];
  size_t length;
  char line[LINE];
};

static char pattern[PATTERN];
static SSL_CTX *tls;

static void say(struct session *session, const char *text) { wire_say(&session->wire, text, strlen(text)); }

static void answer(struct session *session, const char *status, const char *text) {
  char line[512];
  if (session->pop3) {
    snprintf(line, sizeof line, "%s %s\r\n", strcmp(status, "OK") == 0 ? "+OK" : "-ERR", text);
  } else {
    snprintf(line, sizeof line, "%s %s %s\r\n", session->tag, status, text);
  }
  say(session, line);
}

static void logged_in(struct session *session) {
  session->state = COMMAND;
  answer(session, "OK", session->pop3 ? "Logged in." : "[CAPABILITY " CAPABILITIES "] Logged in");
}

static void send_message(struct session *session, size_t kib) {
  char head[96];
  session->bulk = kib * 1024;
  if (session->pop3) {
    snprintf(head, sizeof head, "+OK %zu octets\r\n", session->bulk);
    snprintf(session->tail, sizeof session->tail, "\r\n.\r\n");
  } else {
    snprintf(head, sizeof head, "* 1 FETCH (BODY[] {%zu}\r\n", session->bulk);
    snprintf(session->tail, sizeof session->tail, ")\r\n%s OK done\r\n", session->tag);
  }
  say(session, head);
}

static void challenge(struct session *session, bool good, const char *text, enum state next) {
  char line[1200];
  if (!good) {
    session->state = COMMAND;
    answer(session, "NO", "[AUTHENTICATIONFAILED] Authentication failed.");
    return;
  }
  session->state = next;
  snprintf(line, sizeof line, "+ %s\r\n", text);
  say(session, line);
}

static void respond(struct session *session, const char *response) {
  char text[1024] = "";
  switch (session->state) {
    case PLAIN:
      logged_in(session);
      return;
    case SCRAM_FIRST:
      challenge(session, scram_first(&session->scram, response, text, sizeof text), text, SCRAM_FINAL);
      return;
    case SCRAM_FINAL:
      challenge(session, scram_final(&session->scram, response, text, sizeof text), text, SCRAM_END);
      return;
    default:
      logged_in(session);
  }
}

static void authenticate(struct session *session, char *arguments) {
  char *mechanism = strtok(arguments, " "), *response = strtok(NULL, " ");
  bool scram = mechanism != NULL && strcasecmp(mechanism, "SCRAM-SHA-256") == 0;
  session->state = scram ? SCRAM_FIRST : PLAIN;
  if (response == NULL) {
    say(session, "+ \r\n");
  } else {
    respond(session, response);
  }
}

static void command(struct session *session, char *line) {
  char *verb = line;
  if (!session->pop3) {
    verb = strchr(line, ' ');
    if (verb == NULL || verb - line >= (long)sizeof session->tag) return say(session, "* BAD no command\r\n");
    *verb++ = 0;
    strcpy(session->tag, line);
  }
  char *arguments = strchr(verb, ' ');
  arguments = arguments == NULL ? "" : (*arguments = 0, arguments + 1);
  if (strcasecmp(verb, "AUTHENTICATE") == 0 || strcasecmp(verb, "AUTH") == 0) return authenticate(session, arguments);
  if (strcasecmp(verb, "LOGIN") == 0 || strcasecmp(verb, "PASS") == 0) return logged_in(session);
  if (strcasecmp(verb, "FETCH") == 0 || strcasecmp(verb, "RETR") == 0) {
    return send_message(session, strtoul(arguments, NULL, 10));
  }
  if (strcasecmp(verb, "CAPABILITY") == 0) say(session, "* CAPABILITY " CAPABILITIES "\r\n");
  if (strcasecmp(verb, "ID") == 0) say(session, "* ID NIL\r\n");
  if (strcasecmp(verb, "LOGOUT") == 0) say(session, "* BYE Logging out\r\n");
  session->ending = strcasecmp(verb, "LOGOUT") == 0 || strcasecmp(verb, "QUIT") == 0;
  answer(session, "OK", "done");
  if (strcasecmp(verb, "CAPA") == 0) say(session, "USER\r\nSASL PLAIN SCRAM-SHA-256\r\nXCLIENT\r\n.\r\n");
}

/* Literals are taken as lines: LOGIN's are the only ones, and all that matters is where the command ends. */
static void take_line(struct session *session, char *line, size_t length) {
  bool more = length > 0 && line[length - 1] == '}';
  bool waits = more && (length < 2 || line[length - 2] != '+');
  if (session->state == COMMAND && more) {
    char *space = strchr(line, ' ');
    if (space == NULL || space - line >= (long)sizeof session->tag) return;
    *space = 0;
    strcpy(session->tag, line);
    session->state = LITERAL;
    if (waits) say(session, "+ go on\r\n");
    return;
  }
  if (session->state == COMMAND) return command(session, line);
  if (session->state != LITERAL) return respond(session, line);
  if (!more) return logged_in(session);
  if (waits) say(session, "+ go on\r\n");
}

static void close_session(struct session *session) {
  wire_close(&session->wire);
  free(session);
}

/* Sends what goes of a message; false while some of it is left. */
static bool pour(struct session *session) {
  while (session->bulk > 0 && wire_flush(&session->wire)) {
    size_t size = session->bulk < PATTERN ? session->bulk : PATTERN;
    ssize_t written = wire_write(&session->wire, pattern + (PATTERN - size), size);
    if (written <= 0) return false;
    session->bulk -= (size_t)written;
    if (session->bulk == 0) say(session, session->tail);
  }
  return wire_flush(&session->wire) && session->bulk == 0;
}

static void take_lines(struct session *session) {
  char *start = session->line, *end;
  while (session->bulk == 0 && !session->ending &&
         (end = memchr(start, '\n', session->length - (size_t)(start - session->line))) != NULL) {
    char *last = end > start && end[-1] == '\r' ? end - 1 : end;
    *last = 0;
    take_line(session, start, (size_t)(last - start));
    start = end + 1;
    pour(session);
  }
  session->length -= (size_t)(start - session->line);
  memmove(session->line, start, session->length);
}

static void serve(struct session *session) {
  if (!session->wire.secured) {
    int secured = wire_secure(&session->wire, session);
    if (secured == WIRE_FAILED) return close_session(session);
    if (secured == WIRE_AGAIN) return;
  }
  if (!session->greeted) {
    session->greeted = true;
    say(session, session->pop3 ? "+OK [XCLIENT] ready\r\n" : "* OK [CAPABILITY " CAPABILITIES "] ready\r\n");
  }
  bool poured = pour(session);
  while (poured && session->length < LINE) {
    ssize_t count = wire_read(&session->wire, session->line + session->length, LINE - session->length);
    if (count == WIRE_AGAIN) break;
    if (count <= 0) return close_session(session);
    session->length += (size_t)count;
    take_lines(session);
    poured = pour(session);
    if (session->ending && poured) return close_session(session);
  }
  if (session->length == LINE) return close_session(session);
  wire_watch(&session->wire, !poured, session);
}

static void accept_all(struct listener *listener) {
  int fd, on = 1;
  while ((fd = accept4(listener->wire.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL) die("calloc");
    session->kind = SESSION;
    session->pop3 = listener->pop3;
    SSL *ssl = listener->tls ? SSL_new(tls) : NULL;
    if (ssl != NULL) SSL_set_accept_state(ssl);
    wire_open(&session->wire, fd, ssl, session);
    serve(session);
  }
}

static void listen_on(struct listener *listener, const char *port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 4096) != 0) die(port);
  wire_open(&listener->wire, fd, NULL, listener);
}

int main(int count, char **arguments) {
  static struct listener listeners[PORTS];
  if (count != 4 + PORTS) return fprintf(stderr, "see the head of backend.c\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  memset(pattern, 'x', PATTERN);
  for (size_t at = ROW; at <= PATTERN; at += ROW) memcpy(pattern + at - 2, "\r\n", 2);
  tls = SSL_CTX_new(TLS_server_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (SSL_CTX_use_certificate_chain_file(tls, arguments[1]) != 1) die(arguments[1]);
  if (SSL_CTX_use_PrivateKey_file(tls, arguments[2], SSL_FILETYPE_PEM) != 1) die(arguments[2]);
  scram_use_key(arguments[3]);
  wire_loop();
  for (int index = 0; index < PORTS; index += 1) {
    listeners[index].pop3 = index % 2 == 1;
    listeners[index].tls = index > 1;
    listen_on(&listeners[index], arguments[4 + index]);
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    void *owners[256];
    int ready = wire_wait(owners, 256, -1);
    for (int index = 0; index < ready; index += 1) {
      if (*(enum kind *)owners[index] == LISTENER) {
        accept_all(owners[index]);
      } else {
        serve(owners[index]);
      }
    }
  }
}
