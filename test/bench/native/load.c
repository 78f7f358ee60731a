/*
 * Mail clients: opens sessions, so many at a time, of which each logs in, fetches messages, says NOOP and logs out.
 *
 *   load PORT imap|pop3 none|tls|resume SESSIONS AT-ONCE USERS FETCHES KIB NOOPS [hold]
 *
 * With `hold` sessions stay open: it writes a line when all are logged in, and ends them when its input ends. The
 * last line is JSON. User n of 0000, 0001 … is un@example.org, with the password secret-n.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { LINE = 2048, READ = 256 * 1024, TICKETS = 256 };
enum state { GREETING, USER, LOGIN, FETCH, NOOP, HELD, LOGOUT };

struct client {
  struct wire wire;
  enum state state;
  int user, fetches, noops;
  size_t skip; /* octets of a message that are still to come */
  double asked;
  size_t length;
  char line[LINE];
};

static int port, sessions, at_once, users, fetches, kib, noops;
static bool pop3, holding;
static bool resuming;
static SSL_CTX *tls;
static struct client *clients;
static SSL_SESSION *tickets[TICKETS];
static int ticket_count, started, ended, held, failed, resumed;
static unsigned long long octets;
static double *rtts;
static int rtt_count;
static const char *complaint = "";

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A ticket serves once, as RFC 8446 appendix C.4 asks of clients. */
static int keep_ticket(SSL *ssl, SSL_SESSION *session) {
  (void)ssl;
  if (!resuming || ticket_count == TICKETS) return 0;
  tickets[ticket_count++] = session;
  return 1;
}

/* Opens a connection from an address of the user's own, as the proxies of the world see it: 127.1.0.1 and so on. */
static int connect_from(int user) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
  if (fd < 0) die("socket");
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  /* The port is chosen at connect, so that it need only be free towards the target. */
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(0x7f010000u + (uint32_t)(user / 250 * 256 + user % 250 + 1));
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) die("bind");
  address.sin_port = htons((uint16_t)port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno != EINPROGRESS) die("connect");
  return fd;
}

static void start(struct client *client) {
  int user = started++ % users, fd = connect_from(user);
  SSL *ssl = NULL;
  if (tls != NULL) {
    ssl = SSL_new(tls);
    SSL_set_tlsext_host_name(ssl, "localhost");
    if (ticket_count > 0) {
      SSL_SESSION *ticket = tickets[--ticket_count];
      SSL_set_session(ssl, ticket);
      SSL_SESSION_free(ticket);
    }
    SSL_set_connect_state(ssl);
  }
  memset(client, 0, sizeof *client - LINE);
  client->user = user;
  wire_open(&client->wire, fd, ssl, client);
  /* Writable is what a connection becomes, and a client of TLS speaks first. */
  wire_watch(&client->wire, ssl != NULL, client);
}

static void stop(struct client *client, const char *why) {
  if (why != NULL) {
    failed += 1;
    complaint = why;
  }
  if (client->state == HELD) held -= 1;
  if (client->wire.ssl != NULL && client->wire.secured && SSL_session_reused(client->wire.ssl)) resumed += 1;
  wire_close(&client->wire);
  ended += 1;
  if (started < sessions) start(client);
}

static void ask(struct client *client, enum state state, const char *command) {
  char line[256];
  int length = snprintf(line, sizeof line, "%s%s\r\n", pop3 ? "" : "a ", command);
  client->state = state;
  client->asked = now();
  wire_say(&client->wire, line, (size_t)length);
}

/* Says what comes next in a session, when the last answer is complete. */
static void go_on(struct client *client) {
  char command[128];
  if (client->fetches < fetches) {
    client->fetches += 1;
    snprintf(command, sizeof command, pop3 ? "RETR %d" : "FETCH %d BODY[]", kib);
    ask(client, FETCH, command);
  } else if (client->noops < noops) {
    client->noops += 1;
    ask(client, NOOP, "NOOP");
  } else if (holding) {
    client->state = HELD;
    held += 1;
    if (started < sessions) start(&clients[started]);
  } else {
    ask(client, LOGOUT, pop3 ? "QUIT" : "LOGOUT");
  }
}

static void log_in(struct client *client) {
  char command[128];
  const char *form = !pop3 ? "LOGIN u%04d@example.org secret-%04d" : client->state == GREETING ? "USER u%04d@example.org" : "PASS secret-%04d";
  snprintf(command, sizeof command, form, client->user, client->user);
  ask(client, pop3 && client->state == GREETING ? USER : LOGIN, command);
}

static bool good(const char *line) {
  return pop3 ? strncmp(line, "+OK", 3) == 0 : strncmp(line, "a OK", 4) == 0;
}

/* Takes one line of an answer; false when the session is over. */
static bool take_line(struct client *client, char *line) {
  if (client->state == GREETING) {
    if (strncmp(line, pop3 ? "+OK" : "* OK", 3) != 0) return stop(client, "no greeting"), false;
    log_in(client);
    return true;
  }
  const char *brace = client->state == FETCH ? strrchr(line, '{') : NULL;
  if (!pop3 && line[0] == '*') {
    if (brace != NULL) client->skip = strtoul(brace + 1, NULL, 10);
    return true;
  }
  if (pop3 && client->state == FETCH && line[0] != '-') {
    /* The message's last line of its own is the dot: its size says where. */
    if (line[0] == '+') client->skip = (size_t)kib * 1024;
    if (line[0] == '.') go_on(client);
    return true;
  }
  if (client->state == FETCH && line[0] == ')') return true;
  if (!good(line)) {
    static char text[256];
    snprintf(text, sizeof text, "state %d: %.200s", client->state, line);
    return stop(client, text), false;
  }
  if (client->state == NOOP) rtts[rtt_count++] = now() - client->asked;
  if (client->state == USER) {
    log_in(client);
  } else if (client->state != LOGOUT) {
    go_on(client);
  }
  return true;
}

/* Takes octets of answers; false when the session is over. */
static bool take(struct client *client, char *text, size_t size) {
  octets += size;
  while (size > 0) {
    size_t skipped = client->skip < size ? client->skip : size;
    client->skip -= skipped;
    text += skipped;
    size -= skipped;
    char *end = memchr(text, '\n', size);
    size_t part = end == NULL ? size : (size_t)(end - text) + 1;
    if (client->length + part >= LINE) return stop(client, "a long line"), false;
    memcpy(client->line + client->length, text, part);
    client->length += part;
    text += part;
    size -= part;
    if (end == NULL) continue;
    client->line[client->length - 1] = 0;
    client->length = 0;
    if (!take_line(client, client->line)) return false;
  }
  return true;
}

static void run(struct client *client) {
  static char text[READ];
  if (!client->wire.secured) {
    int secured = wire_secure(&client->wire, client);
    if (secured == WIRE_FAILED) return stop(client, "TLS failed");
    if (secured == WIRE_AGAIN) return;
  }
  for (;;) {
    ssize_t count = wire_read(&client->wire, text, READ);
    if (count == WIRE_AGAIN) break;
    if (count <= 0) return stop(client, client->state == LOGOUT ? NULL : "ended early");
    if (!take(client, text, (size_t)count)) return;
    if (client->wire.ssl == NULL && count < READ) break;
  }
  wire_watch(&client->wire, !wire_flush(&client->wire), client);
}

static int by_value(const void *left, const void *right) {
  double difference = *(const double *)left - *(const double *)right;
  return difference < 0 ? -1 : difference > 0;
}

static double rtt_us(double share) {
  return rtt_count == 0 ? 0 : rtts[(int)(share * (rtt_count - 1))] * 1e6;
}

static void report(double seconds) {
  qsort(rtts, (size_t)rtt_count, sizeof *rtts, by_value);
  printf("{\"sessions\":%d,\"failed\":%d,\"resumed\":%d,\"octets\":%llu,\"seconds\":%.6f,"
         "\"rttUs\":{\"p50\":%.1f,\"p95\":%.1f,\"p99\":%.1f}}\n",
         started, failed, resumed, octets, seconds, rtt_us(0.5), rtt_us(0.95), rtt_us(0.99));
  if (failed > 0) fprintf(stderr, "%d sessions failed, the last: %s\n", failed, complaint);
}

static void prepare_tls(const char *mode) {
  if (strcmp(mode, "none") == 0) return;
  resuming = strcmp(mode, "resume") == 0;
  tls = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  /* Else OpenSSL throws the tickets of a connection away that ends without close_notify. */
  SSL_CTX_set_options(tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(tls, keep_ticket);
}

static void drive(bool (*over)(void)) {
  while (!over()) {
    void *owners[256];
    int ready = wire_wait(owners, 256, -1);
    for (int index = 0; index < ready; index += 1) {
      if (owners[index] != NULL) run(owners[index]);
      else holding = false;
    }
  }
}

static bool all_ended(void) { return ended == sessions; }
static bool all_held(void) { return held + ended == sessions; }
static bool told_to_end(void) { return !holding; }

int main(int count, char **arguments) {
  if (count < 10) return fprintf(stderr, "see the head of load.c\n"), 2;
  signal(SIGPIPE, SIG_IGN);
  port = atoi(arguments[1]);
  pop3 = strcmp(arguments[2], "pop3") == 0;
  sessions = atoi(arguments[4]);
  at_once = atoi(arguments[5]);
  users = atoi(arguments[6]);
  fetches = atoi(arguments[7]);
  kib = atoi(arguments[8]);
  noops = atoi(arguments[9]);
  holding = count > 10;
  prepare_tls(arguments[3]);
  wire_loop();
  if (at_once > sessions) at_once = sessions;
  clients = calloc((size_t)(holding ? sessions : at_once), sizeof *clients);
  rtts = calloc((size_t)sessions * (size_t)noops + 1, sizeof *rtts);
  if (clients == NULL || rtts == NULL) die("calloc");
  double begin = now();
  for (int index = 0; index < at_once; index += 1) start(&clients[index]);
  drive(holding ? all_held : all_ended);
  double seconds = now() - begin;
  if (!holding) return report(seconds), failed > 0;
  puts("held");
  fflush(stdout);
  /* The input: its end is what it's waited for. */
  struct wire input;
  wire_open(&input, STDIN_FILENO, NULL, NULL);
  drive(told_to_end);
  report(seconds);
  return failed > 0;
}
