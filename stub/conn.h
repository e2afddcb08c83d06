/* SPDX-License-Identifier: MIT */
/*
 * How a client reaches us: gdbserver's COMM (GDB manual, "Connecting to a
 * Remote Target"), and unix:PATH and fd:N.  Bytes only.
 */
#ifndef STUB_CONN_H
#define STUB_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "stub/base/err.h"

struct listener {
	int fd;		   /* listening socket, or -1 for a single stream */
	int in, out;	   /* the single stream (stdio, device, inherited socket), or -1 */
	char *unlink_path; /* unix:PATH, removed at close; owned */
};

/* Opens what @comm names; clients may connect from now on. */
struct err *listener_open(const char *comm, struct listener *ret) MUST_CHECK;
/* Says "Listening on ..." on stderr, which scripts wait for. */
void listener_announce(const struct listener *l, const char *comm);
void listener_close(struct listener *l);

bool conn_is_stdio(const char *comm);

struct conn {
	int in, out;   /* equal for a socket; -1: none */
	bool accepted; /* a socket of ours, that conn_read_soon() may wait on */
};

/*
 * The next client, and "Remote debugging from ..." on stderr.  *ret is
 * untouched and false is returned if there is none now.
 */
bool conn_accept(struct listener *l, struct conn *ret);
void conn_close(struct conn *c);

/* Bytes moved; 0: try again later; -1: the peer is gone. */
ssize_t conn_read(struct conn *c, void *buf, size_t len);
/* Waits some milliseconds for them; only where the peer was accepted. */
ssize_t conn_read_soon(struct conn *c, void *buf, size_t len);
ssize_t conn_write(struct conn *c, const void *buf, size_t len);

#endif
