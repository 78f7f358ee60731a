#include "wire.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int loop = -1;

void die(const char *what) {
  perror(what);
  exit(1);
}

void wire_loop(void) {
  loop = epoll_create1(EPOLL_CLOEXEC);
  if (loop < 0) die("epoll_create1");
}

void wire_open(struct wire *wire, int fd, SSL *ssl, void *owner) {
  memset(wire, 0, sizeof *wire);
  wire->fd = fd;
  wire->ssl = ssl;
  wire->secured = ssl == NULL;
  wire->events = EPOLLIN;
  if (ssl != NULL && SSL_set_fd(ssl, fd) != 1) die("SSL_set_fd");
  struct epoll_event event = {.events = wire->events, .data.ptr = owner};
  if (epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

void wire_close(struct wire *wire) {
  if (wire->fd < 0) return;
  if (wire->ssl != NULL) {
    /* Without this OpenSSL takes the session for broken, and its tickets with it. */
    SSL_set_shutdown(wire->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(wire->ssl);
  }
  close(wire->fd);
  free(wire->out);
  memset(wire, 0, sizeof *wire);
  wire->fd = -1;
}

int wire_wait(void **owners, int most, int ms) {
  struct epoll_event events[256];
  int count = epoll_wait(loop, events, most < 256 ? most : 256, ms);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  for (int index = 0; index < count; index += 1) owners[index] = events[index].data.ptr;
  return count < 0 ? 0 : count;
}

void wire_watch(struct wire *wire, bool writable, void *owner) {
  uint32_t events = EPOLLIN | (writable ? EPOLLOUT : 0);
  if (events == wire->events) return;
  wire->events = events;
  struct epoll_event event = {.events = events, .data.ptr = owner};
  if (epoll_ctl(loop, EPOLL_CTL_MOD, wire->fd, &event) != 0) die("epoll_ctl");
}

static ssize_t tls_result(struct wire *wire, int result) {
  if (result > 0) return result;
  switch (SSL_get_error(wire->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return WIRE_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
      return WIRE_END;
    case SSL_ERROR_SYSCALL:
    case SSL_ERROR_SSL:
    default:
      ERR_clear_error();
      return WIRE_FAILED;
  }
}

int wire_secure(struct wire *wire, void *owner) {
  int result = SSL_do_handshake(wire->ssl);
  if (result == 1) {
    wire->secured = true;
    wire_watch(wire, false, owner);
    return 1;
  }
  wire_watch(wire, SSL_want_write(wire->ssl), owner);
  return tls_result(wire, result) == WIRE_AGAIN ? WIRE_AGAIN : WIRE_FAILED;
}

static ssize_t tcp_result(ssize_t result) {
  if (result >= 0) return result;
  return errno == EAGAIN || errno == EINTR || errno == ENOTCONN ? WIRE_AGAIN : WIRE_FAILED;
}

ssize_t wire_read(struct wire *wire, char *octets, size_t size) {
  if (wire->ssl == NULL) return tcp_result(recv(wire->fd, octets, size, MSG_DONTWAIT));
  return tls_result(wire, SSL_read(wire->ssl, octets, (int)size));
}

ssize_t wire_write(struct wire *wire, const char *octets, size_t size) {
  if (wire->ssl == NULL) return tcp_result(send(wire->fd, octets, size, MSG_DONTWAIT | MSG_NOSIGNAL));
  return tls_result(wire, SSL_write(wire->ssl, octets, (int)size));
}

bool wire_flush(struct wire *wire) {
  while (wire->out_at < wire->out_end) {
    ssize_t written = wire_write(wire, wire->out + wire->out_at, wire->out_end - wire->out_at);
    if (written <= 0) return false;
    wire->out_at += (size_t)written;
  }
  wire->out_at = wire->out_end = 0;
  return true;
}

void wire_say(struct wire *wire, const char *octets, size_t size) {
  if (wire->out_end == 0) {
    ssize_t written = wire_write(wire, octets, size);
    size_t taken = written > 0 ? (size_t)written : 0;
    octets += taken;
    size -= taken;
    if (size == 0) return;
  }
  if (wire->out_end + size > wire->out_size) {
    wire->out_size = wire->out_end + size + 1024;
    wire->out = realloc(wire->out, wire->out_size);
    if (wire->out == NULL) die("realloc");
  }
  memcpy(wire->out + wire->out_end, octets, size);
  wire->out_end += size;
}
